"""Scatter plots coloured by density, and histograms of errors."""

import numpy as np
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter, map_coordinates


def bin_edges(low: float, high: float, n: int) -> np.ndarray:
    """Return the edges of equal bins, as many as n values fill."""
    return np.linspace(low, high, int(np.clip(2 * n ** (1 / 3), 8, 60)) + 1)


def step(axes: Axes, errors: np.ndarray, edges: np.ndarray, label: str, **options) -> None:
    """Draw the probability density of errors, those beyond the edges included in the norm."""
    density = np.histogram(errors, edges)[0] / (len(errors) * np.diff(edges))
    axes.stairs(density, edges, label=label, **options)


def scatter_by_density(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw points, shape (n,), brighter where they are denser, the densest on top."""
    density = _local_density(x, y)
    order = np.argsort(density, kind="stable")
    axes.scatter(x[order], y[order], 2, density[order], linewidths=0, rasterized=True, alpha=0.8)


def _local_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the density around each point, from a smoothed grid of counts, shape (n,)."""
    counts, x_edges, y_edges = np.histogram2d(x, y, 60)
    cells = [
        (values - edges[0]) / (edges[1] - edges[0]) - 0.5
        for edges, values in ((x_edges, x), (y_edges, y))
    ]
    return map_coordinates(gaussian_filter(counts, 2), cells, order=1, mode="nearest")


def widened(low: float, high: float) -> tuple[float, float]:
    """Return the limits of an axis that shows values from `low` to `high`."""
    margin = 0.03 * (high - low)
    return low - margin, high + margin
