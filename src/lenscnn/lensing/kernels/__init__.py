"""Compiled loops that draw images on CPU cores."""
