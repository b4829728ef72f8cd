"""Linear interpolation on a grid."""

import numpy as np


def bracket(grid: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid point to the right of each x, and how far x is towards it.

    Parameters
    ----------
    grid : ndarray, shape (n_grid,)
        Increasing.
    x : ndarray, shape (n,)
        Beyond the ends the outermost interval is continued.

    Returns
    -------
    right : ndarray of int, shape (n,)
        From 1 to n_grid - 1.
    t : ndarray, shape (n,)
        0 at the grid point before `right`, 1 at `right`.
    """
    right = np.clip(np.searchsorted(grid, x), 1, len(grid) - 1)
    return right, (x - grid[right - 1]) / (grid[right] - grid[right - 1])
