"""Deflection by the subhaloes of an image, summed in a compiled loop."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.elementary import SOFTENING
from lenscnn.lensing.kernels.threads import OPTIONS

# Lists of subhaloes are filled up to whole vectors of this many float32 with massless ones.
_VECTOR = 16


@njit(**OPTIONS)
def new_tables(points, offsets):
    """Return room for what `_fill_table` fills, for the image with the most subhaloes."""
    n_most = 0
    for b in range(len(offsets) - 1):
        n_most = max(n_most, offsets[b + 1] - offsets[b])
    return np.empty((2, len(points), _padded(n_most)), points.dtype)


@njit(**OPTIONS)
def _padded(n_halo):
    return -(-n_halo // _VECTOR) * _VECTOR


@njit(**OPTIONS)
def _fill_table(points, centers, theta_E, table):
    """Fill in (point - center)^2 and theta_E (point - center) for each point and subhalo."""
    zero, softening = points.dtype.type(0), points.dtype.type(SOFTENING)
    n_halo = len(centers)
    for i in range(len(points)):
        r2, moment = table[0, i], table[1, i]
        for k in range(n_halo):
            d = points[i] - centers[k]
            r2[k] = d * d + softening
            moment[k] = theta_E[k] * d
        for k in range(n_halo, _padded(n_halo)):
            r2[k], moment[k] = softening, zero


@njit(**OPTIONS)
def sum_subhaloes_of_image(x, y, center_x, center_y, theta_E, x_table, y_table, alpha_x, alpha_y):
    """Fill `alpha_x` and `alpha_y` (H, W) with the deflection by the subhaloes of one image."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    width, height = len(x), len(y)
    n_padded = _padded(len(theta_E))
    _fill_table(x, center_x, theta_E, x_table)
    _fill_table(y, center_y, theta_E, y_table)
    x_r2, x_moment = x_table[0], x_table[1]
    y_r2, y_moment = y_table[0], y_table[1]
    # Three rows a pass share the loads of a column's table; where the height is not a multiple
    # of three the last rows are simply done twice.
    for row in range(0, height, 3):
        row_0, row_1, row_2 = row, min(row + 1, height - 1), min(row + 2, height - 1)
        r2_0, r2_1, r2_2 = y_r2[row_0], y_r2[row_1], y_r2[row_2]
        moment_0, moment_1, moment_2 = y_moment[row_0], y_moment[row_1], y_moment[row_2]
        for column in range(width):
            r2, moment = x_r2[column], x_moment[column]
            x_0 = x_1 = x_2 = y_0 = y_1 = y_2 = zero
            for k in range(n_padded):
                inverse_r = one / np.sqrt(r2[k] + r2_0[k])
                x_0 += inverse_r * moment[k]
                y_0 += inverse_r * moment_0[k]
                inverse_r = one / np.sqrt(r2[k] + r2_1[k])
                x_1 += inverse_r * moment[k]
                y_1 += inverse_r * moment_1[k]
                inverse_r = one / np.sqrt(r2[k] + r2_2[k])
                x_2 += inverse_r * moment[k]
                y_2 += inverse_r * moment_2[k]
            alpha_x[row_0, column], alpha_y[row_0, column] = x_0, y_0
            alpha_x[row_1, column], alpha_y[row_1, column] = x_1, y_1
            alpha_x[row_2, column], alpha_y[row_2, column] = x_2, y_2


@njit(**OPTIONS)
def sum_subhaloes(first, last, x, y, offsets, center_x, center_y, theta_E, alpha):
    """Fill `alpha` (2, B, H, W) for the images `first` to `last`; see `subhalo_deflection`."""
    x_table, y_table = new_tables(x, offsets), new_tables(y, offsets)
    for b in range(first, last):
        own = slice(offsets[b], offsets[b + 1])
        sum_subhaloes_of_image(
            x, y, center_x[own], center_y[own], theta_E[own],
            x_table, y_table, alpha[0, b], alpha[1, b],
        )  # fmt: skip
