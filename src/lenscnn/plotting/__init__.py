"""Style and building blocks of figures."""
