"""Sersic galaxies behind isothermal ellipsoids, in a compiled loop."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.elementary import LN2, exp2, log2
from lenscnn.lensing.kernels.images import BLOCK, blocks_of_rows, convolve
from lenscnn.lensing.kernels.sie import sie_at, sie_series
from lenscnn.lensing.kernels.threads import INLINED, OPTIONS
from lenscnn.lensing.light import SMOOTHING


@njit(**INLINED)
def _lensed_sersic(x, y, lens, series, light, side, brightness, curvature):
    """Fill `brightness` and `curvature` (n,) at the points `x`, `y`.

    `lens` and `light` are columns of the arguments of `render_sersic`, `series` is the lens's; the
    curvature is that of `sersic_galaxies._lensed_sersic`, and infinite where a galaxy may hide.
    """
    one, half, two = np.float32(1), np.float32(0.5), np.float32(2)
    peak, R_sersic, inverse_n, b = light[0], light[1], one / light[2], light[3]
    center_x, center_y, ux, uy, vx, vy = light[4], light[5], light[6], light[7], light[8], light[9]
    work = np.zeros((4, len(x)), x.dtype)
    alpha_x, alpha_y, kappa, stretch2 = work[0], work[1], work[2], work[3]
    if lens[0] != 0:
        sie_at(x, y, lens, series, alpha_x, alpha_y, kappa)
    inverse_R2 = one / (R_sersic * R_sersic)
    floor = np.float32(SMOOTHING**2) * inverse_R2
    reach2 = side * side * inverse_R2 / light[10]
    half_inverse_n, log2_e = half * inverse_n, np.float32(1 / LN2)
    for i in range(len(x)):
        dx, dy = x[i] - alpha_x[i] - center_x, y[i] - alpha_y[i] - center_y
        u, v = ux * dx + uy * dy, vx * dx + vy * dy
        r2 = u * u + v * v  # (R / R_sersic)^2
        brightness[i] = floor if r2 < floor else r2
        stretch = two * kappa[i] - one
        stretch = one if stretch < one else stretch
        stretch2[i] = stretch * stretch
    for i in range(len(x)):
        r2 = brightness[i]
        exponent = b * exp2(half_inverse_n * log2(r2))
        brightness[i] = peak * exp2(-log2_e * exponent)
        slope = inverse_n * exponent
        bend = stretch2[i] * inverse_R2 / r2 * slope * (slope + one) * brightness[i]
        hides = (r2 > one) & (r2 < reach2 * stretch2[i])
        curvature[i] = np.float32(np.inf) if hides else bend


@njit(**OPTIONS)
def render_sersic(first, last, points, side, lens, light, kernel, tolerance, images, fluxes):
    """Fill `images` (B, n_pix, n_pix) and `fluxes` (B,) for the images `first` to `last`.

    `points` are the sub-pixels' centres along each axis and `side` is a sub-pixel's. `lens` (5, B)
    holds the parameters in the order of `checks.LENS_KEYS`, with a theta_E of zero for no lens,
    `light` (11, B) what `sersic_galaxies._profile_table` makes of a Sersic profile; `kernel` is as
    for `gaussian.render` and `tolerance` as for `sersic_galaxies.render_galaxies`. A flux is the
    sum of an image before its convolution.
    """
    n_pix, n_points = images.shape[1], len(points)
    sub = n_points // n_pix
    block, x = blocks_of_rows(points)
    work = np.empty((3, len(x)), points.dtype)
    y, brightness, curvature = work[0], work[1], work[2]
    quarters = np.empty((4, BLOCK), points.dtype)
    four_x, four_y, four_bright, four_bend = quarters[0], quarters[1], quarters[2], quarters[3]
    rough = np.empty((2, n_points * n_points), points.dtype)
    rough_pixel = np.empty(n_points * n_points, np.int32)
    image = np.empty(n_pix * n_pix, points.dtype)
    for b in range(first, last):
        series = sie_series(lens[0, b], lens[1, b])
        image[:] = 0
        area, limit = _area_and_limit(side, tolerance)
        n_rough = 0
        for top in range(0, n_points, block):
            # The last block repeats the stamp's last row, and does not use it.
            for row in range(block):
                y[row * n_points : (row + 1) * n_points] = points[min(top + row, n_points - 1)]
            _lensed_sersic(x, y, lens[:, b], series, light[:, b], side, brightness, curvature)
            for row in range(top, min(top + block, n_points)):
                own = slice((row - top) * n_points, (row - top + 1) * n_points)
                bright, bend = brightness[own], curvature[own]
                n_above = 0
                for i in range(n_points):  # most rows have none, and counting runs in vectors
                    n_above += bend[i] > limit
                for i in range(n_points if n_above else 0):
                    if bend[i] > limit:
                        bright[i] = 0
                        rough[0, n_rough], rough[1, n_rough] = points[i], points[row]
                        rough_pixel[n_rough] = row // sub * n_pix + i // sub
                        n_rough += 1
                image_row = image[row // sub * n_pix :]
                for j in range(sub):
                    for i in range(n_pix):
                        image_row[i] += area * bright[i * sub + j]
        # Squares where the midpoint does not do are quartered until it does.
        cells, pixel, quarter_side = rough[:, :n_rough], rough_pixel[:n_rough], side
        while len(pixel) > 0:
            offset = np.float32(0.25) * quarter_side
            quarter_side *= np.float32(0.5)
            area, limit = _area_and_limit(quarter_side, tolerance)
            next_cells = np.empty((2, 4 * len(pixel)), points.dtype)
            next_pixel = np.empty(4 * len(pixel), np.int32)
            n_rough = 0
            for start in range(0, len(pixel), BLOCK // 4):
                n_cells = min(BLOCK // 4, len(pixel) - start)
                for k in range(n_cells):
                    cell_x, cell_y = cells[0, start + k], cells[1, start + k]
                    for j in range(4):
                        four_x[4 * k + j] = cell_x + (offset if j & 1 else -offset)
                        four_y[4 * k + j] = cell_y + (offset if j & 2 else -offset)
                four = slice(0, 4 * n_cells)
                _lensed_sersic(
                    four_x[four], four_y[four], lens[:, b], series, light[:, b], quarter_side,
                    four_bright[four], four_bend[four],
                )  # fmt: skip
                # No branches, which nobody could predict: each quarter is written down as rough,
                # and written over if it is not.
                for k in range(n_cells):
                    done = np.float32(0)
                    for j in range(4 * k, 4 * k + 4):
                        is_rough = four_bend[j] > limit
                        next_cells[0, n_rough], next_cells[1, n_rough] = four_x[j], four_y[j]
                        next_pixel[n_rough] = pixel[start + k]
                        n_rough += is_rough
                        done += np.float32(0) if is_rough else four_bright[j]
                    image[pixel[start + k]] += area * done
            cells, pixel = next_cells[:, :n_rough], next_pixel[:n_rough]
        flux = 0.0
        for value in image:
            flux += value
        fluxes[b] = flux
        convolve(image.reshape(n_pix, n_pix), kernel, images[b])


@njit(**OPTIONS)
def _area_and_limit(side, tolerance):
    """Return the area of a square, and the curvature from which its midpoint is too rough."""
    area = side * side
    if side > np.float32(SMOOTHING):
        return area, np.float32(24) * tolerance / (area * area)
    return area, np.float32(np.inf)
