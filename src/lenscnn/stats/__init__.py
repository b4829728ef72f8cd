"""Statistics of errors: bootstrap, averages over seeds, values in LaTeX."""
