"""Gaussian sources behind isothermal ellipsoids with subhaloes, in a compiled loop."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.elementary import LN2, exp2
from lenscnn.lensing.kernels.images import blocks_of_rows, convolve
from lenscnn.lensing.kernels.sie import sie_at, sie_series
from lenscnn.lensing.kernels.subhaloes import new_tables, sum_subhaloes_of_image
from lenscnn.lensing.kernels.threads import OPTIONS


@njit(**OPTIONS)
def render(first, last, points, lens, offsets, center_x, center_y, theta_E, source, kernel, images):
    """Fill `images` (B, n_pix, n_pix) for the images `first` to `last`.

    `points` are the sub-pixels' centres along each axis, `lens` (5, B) and `source` (3, B) hold
    the parameters in the order of `checks.LENS_KEYS` and `gaussian_sources.SOURCE_KEYS`, and
    `kernel` is the point-spread function along one axis from its centre outwards.
    """
    n_pix, n_points = images.shape[1], len(points)
    sub = n_points // n_pix
    share = np.float32(1) / np.float32(sub * sub)
    half_log2_e = np.float32(0.5 / LN2)
    x_table, y_table = new_tables(points, offsets), new_tables(points, offsets)
    alpha_x, alpha_y = np.empty((2, n_points, n_points), np.float32)
    block, x = blocks_of_rows(points)
    work = np.empty((5, len(x)), np.float32)
    y, sie_x, sie_y, kappa, brightness = work[0], work[1], work[2], work[3], work[4]
    pixels = np.empty((n_pix, n_pix), np.float32)
    for b in range(first, last):
        own = slice(offsets[b], offsets[b + 1])
        sum_subhaloes_of_image(
            points, points, center_x[own], center_y[own], theta_E[own],
            x_table, y_table, alpha_x, alpha_y,
        )  # fmt: skip
        series = sie_series(lens[0, b], lens[1, b])
        sigma, source_x, source_y = source[0, b], source[1, b], source[2, b]
        exponent = -half_log2_e / (sigma * sigma)
        pixels[:] = 0
        for top in range(0, n_points, block):
            n_rows = min(block, n_points - top)
            for row in range(block):
                y[row * n_points : (row + 1) * n_points] = points[min(top + row, n_points - 1)]
            sie_at(x, y, lens[:, b], series, sie_x, sie_y, kappa)
            subs_x, subs_y = (
                alpha_x[top : top + n_rows].ravel(),
                alpha_y[top : top + n_rows].ravel(),
            )
            for i in range(n_rows * n_points):
                beta_x = x[i] - sie_x[i] - subs_x[i] - source_x
                beta_y = y[i] - sie_y[i] - subs_y[i] - source_y
                brightness[i] = exp2(exponent * (beta_x * beta_x + beta_y * beta_y))
            for row in range(n_rows):
                bright, pixel_row = brightness[row * n_points :], pixels[(top + row) // sub]
                for j in range(sub):
                    for i in range(n_pix):
                        pixel_row[i] += share * bright[i * sub + j]
        convolve(pixels, kernel, images[b])
