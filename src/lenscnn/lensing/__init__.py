"""Gravitational lensing in batched torch: deflections, light, point-spread function, rendering."""
