"""Scutt: the number of dark subhaloes, then the slope of their mass function."""
