"""Read strong gravitational lenses with CNNs: simulate, train, predict, measure, draw."""

__version__ = "0.1.0"
