"""Galaxies: distributions of their properties, spectra, colours."""
