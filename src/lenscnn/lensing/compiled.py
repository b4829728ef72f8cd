"""The CPU's loops over pixels, compiled: subhalo deflections, and whole images.

They compute what the torch functions of this package compute, several times faster, in float32 (the
subhaloes' sum also in float64) and without gradients. Every image is computed on its own, so that
it does not depend on its neighbours or on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from lenscnn.compiling import njit
from lenscnn.lensing.light import SMOOTHING

# Numba may reorder sums and take an approximate reciprocal square root with a Newton step, but
# must not assume that every number is finite: bad input has to show.
_OPTIONS = {
    "nogil": True,
    "fastmath": {"reassoc", "contract", "arcp", "afn", "nsz"},
    "error_model": "numpy",
}

# Whole functions inside their callers: as functions of their own the process that compiles them
# and those that read them from the cache would round differently.
_INLINED = _OPTIONS | {"inline": "always"}

# Added to r^2 (arcsec^2), in place of a branch for a point exactly on a lens's centre.
_SOFTENING = 1e-30

_LN2 = float(np.log(2))

# Points of a galaxy drawn at a time: loops of vectors end in one of single numbers, which must not
# count, while all that they read and write stays in the nearest cache.
_BLOCK = 512

# Lists of subhaloes are filled up to whole vectors of this many float32 with massless ones.
_VECTOR = 16


def in_threads(loop: Callable[[int, int], None], n_images: int) -> None:
    """Call `loop(first, last)` on parts of the images, in as many threads as torch would use."""
    # The loops release the interpreter's lock, so that plain threads run side by side.
    n_threads = min(torch.get_num_threads(), n_images)
    if n_threads > 1:
        edges = [n_images * thread // n_threads for thread in range(n_threads + 1)]
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(loop, edges[:-1], edges[1:]))
    else:
        loop(0, n_images)


@njit(**_OPTIONS)
def _new_tables(points, offsets):
    """Room for what `_fill_table` fills, enough for the image with the most subhaloes."""
    n_most = 0
    for b in range(len(offsets) - 1):
        n_most = max(n_most, offsets[b + 1] - offsets[b])
    return np.empty((2, len(points), _padded(n_most)), points.dtype)


@njit(**_OPTIONS)
def _padded(n_halo):
    return -(-n_halo // _VECTOR) * _VECTOR


@njit(**_OPTIONS)
def _fill_table(points, centers, theta_E, table):
    """(point - center)^2 and theta_E (point - center), for each point and subhalo."""
    zero, softening = points.dtype.type(0), points.dtype.type(_SOFTENING)
    n_halo = len(centers)
    for i in range(len(points)):
        r2, moment = table[0, i], table[1, i]
        for k in range(n_halo):
            d = points[i] - centers[k]
            r2[k] = d * d + softening
            moment[k] = theta_E[k] * d
        for k in range(n_halo, _padded(n_halo)):
            r2[k], moment[k] = softening, zero


@njit(**_OPTIONS)
def _sum_subhaloes(x, y, center_x, center_y, theta_E, x_table, y_table, alpha_x, alpha_y):
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


@njit(**_OPTIONS)
def sum_subhaloes(first, last, x, y, offsets, center_x, center_y, theta_E, alpha):
    """Fill `alpha` (2, B, H, W) for the images `first` to `last`; see `subhalo_deflection`."""
    x_table, y_table = _new_tables(x, offsets), _new_tables(y, offsets)
    for b in range(first, last):
        own = slice(offsets[b], offsets[b + 1])
        _sum_subhaloes(
            x, y, center_x[own], center_y[own], theta_E[own],
            x_table, y_table, alpha[0, b], alpha[1, b],
        )  # fmt: skip


@njit(**_OPTIONS)
def _sie_series(theta_E, q):
    """Coefficients a_n, float32, of the SIE's deflection, cut at the noise of that.

    With t the elliptical angle, q x + i y = R exp(i t), the deflection in the lens's own axes is

        exp(i t) sum_n a_n (-exp(2 i t))^n,   a_n = 2 theta_E sqrt(q) / (1 + q) g^n / (2 n + 1),

    g = (1 - q) / (1 + q) (Tessore & Metcalf 2015, equations 22, 23 and 29 at slope 1): no special
    function, and no special case at q = 1. 8 terms at q = 0.78, 36 at q = 0.2; an even number.
    """
    g = (1 - float(q)) / (1 + float(q))
    n_terms = 2
    # All that follow are less than the first of them over 1 - g.
    while g**n_terms > (1 - g) * (2 * n_terms + 1) * np.finfo(np.float32).eps / 4:
        n_terms += 2
    n = np.arange(n_terms)
    series = 2 * float(theta_E) * np.sqrt(float(q)) / (1 + float(q)) * g**n / (2 * n + 1)
    return series.astype(np.float32)


@njit(**_INLINED)
def _sie_at(x, y, lens, series, alpha_x, alpha_y, kappa):
    """Fill `alpha_x`, `alpha_y`, `kappa` (n,): deflection and convergence at the points `x`, `y`.

    `lens` has the parameters in the order of `rendering.LENS_KEYS`, `series` is `_sie_series`.
    """
    one, two, softening = np.float32(1), np.float32(2), np.float32(_SOFTENING)
    q, center_x, center_y = lens[1], lens[3], lens[4]
    cos, sin = np.cos(lens[2]), np.sin(lens[2])
    half_b = lens[0] * np.sqrt(q) / two
    # Rows are named one by one: a tuple taken from an array keeps loops from becoming vectors.
    work = np.empty((4, len(x)), np.float32)
    u, v, b, d = work[0], work[1], work[2], work[3]
    for i in range(len(x)):
        dx, dy = x[i] - center_x, y[i] - center_y
        major, minor = q * (cos * dx + sin * dy), cos * dy - sin * dx
        inverse_R = one / np.sqrt(major * major + minor * minor + softening)
        u[i], v[i] = major * inverse_R, minor * inverse_R  # exp(i t)
        kappa[i] = half_b * inverse_R
    # Clenshaw's recurrence in Reinsch's form, which is exact to rounding where all terms add up
    # (on the minor axis, u = 0): d_n = a_n + d_(n+1) - 4 u^2 b_(n+1), b_n = d_n + b_(n+1). In real
    # numbers, so half the work of Horner's. Two steps a pass share what they read and write.
    last = len(series) - 1
    for i in range(len(x)):
        b[i] = d[i] = series[last]
    for n in range(last - 1, 0, -2):
        a_first, a_second = series[n], series[n - 1]
        for i in range(len(x)):
            u2 = two * u[i]
            u2 *= u2
            d[i] += a_first - u2 * b[i]
            b[i] += d[i]
            d[i] += a_second - u2 * b[i]
            b[i] += d[i]
    for i in range(len(x)):
        u2 = two * u[i]
        d_0 = d[i] + series[0] - u2 * u2 * b[i]
        # exp(i t) times the sum, which is d_0 + 2 u exp(-i t) b_1.
        major, minor = u[i] * d_0 + u2 * b[i], v[i] * d_0
        alpha_x[i] = cos * major - sin * minor
        alpha_y[i] = sin * major + cos * minor


@njit(**_OPTIONS)
def _log2(x):
    """Logarithm of a positive, normal float32, good to 1e-7."""
    one = np.float32(1)
    bits = np.float32(x).view(np.int32)
    # x = mantissa 2^exponent with the mantissa in [sqrt(1/2), sqrt(2)); these are sqrt(1/2)'s bits.
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    mantissa = np.int32(bits - (exponent << np.int32(23))).view(np.float32)
    t = (mantissa - one) / (mantissa + one)
    t2 = t * t
    series = np.float32(2 / (9 * _LN2))  # ln(mantissa) = 2 artanh(t)
    series = series * t2 + np.float32(2 / (7 * _LN2))
    series = series * t2 + np.float32(2 / (5 * _LN2))
    series = series * t2 + np.float32(2 / (3 * _LN2))
    series = series * t2 + np.float32(2 / _LN2)
    return np.float32(exponent) + t * series


@njit(**_OPTIONS)
def _exp2(x):
    """2^x in float32, good to 2e-7, for x below 127."""
    x = np.float32(-126) if x < np.float32(-126) else x
    whole = np.floor(x + np.float32(0.5))
    rest = x - whole
    series = np.float32(_LN2**6 / 720)
    series = series * rest + np.float32(_LN2**5 / 120)
    series = series * rest + np.float32(_LN2**4 / 24)
    series = series * rest + np.float32(_LN2**3 / 6)
    series = series * rest + np.float32(_LN2**2 / 2)
    series = series * rest + np.float32(_LN2)
    series = series * rest + np.float32(1)
    return series * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(**_OPTIONS)
def _convolve(image, kernel, out):
    """Separable convolution with a symmetric kernel, the image's outermost pixels repeated."""
    height, width = image.shape
    reach = len(kernel) - 1
    blurred = np.empty(width + 2 * reach, image.dtype)
    for row in range(height):
        middle = blurred[reach : reach + width]
        for i in range(width):
            middle[i] = kernel[0] * image[row, i]
        for k in range(1, reach + 1):
            above, below = image[max(row - k, 0)], image[min(row + k, height - 1)]
            for i in range(width):
                middle[i] += kernel[k] * (above[i] + below[i])
        blurred[:reach] = middle[0]
        blurred[reach + width :] = middle[-1]
        for i in range(width):
            out[row, i] = kernel[0] * middle[i]
        for k in range(1, reach + 1):
            left, right = blurred[reach - k :], blurred[reach + k :]
            for i in range(width):
                out[row, i] += kernel[k] * (left[i] + right[i])


@njit(**_OPTIONS)
def render(first, last, points, lens, offsets, center_x, center_y, theta_E, source, kernel, images):
    """Fill `images` (B, n_pix, n_pix) for the images `first` to `last`.

    `points` are the sub-pixels' centres along each axis, `lens` (5, B) and `source` (3, B) hold
    the parameters in the order of `rendering.LENS_KEYS` and `rendering.SOURCE_KEYS`, `kernel` is
    the point-spread function along one axis from its centre outwards.
    """
    n_pix, n_points = images.shape[1], len(points)
    sub = n_points // n_pix
    share = np.float32(1) / np.float32(sub * sub)
    half_log2_e = np.float32(0.5 / _LN2)
    x_table, y_table = _new_tables(points, offsets), _new_tables(points, offsets)
    alpha_x, alpha_y = np.empty((2, n_points, n_points), np.float32)
    block, x = _blocks_of_rows(points)
    work = np.empty((5, len(x)), np.float32)
    y, sie_x, sie_y, kappa, brightness = work[0], work[1], work[2], work[3], work[4]
    pixels = np.empty((n_pix, n_pix), np.float32)
    for b in range(first, last):
        own = slice(offsets[b], offsets[b + 1])
        _sum_subhaloes(
            points, points, center_x[own], center_y[own], theta_E[own],
            x_table, y_table, alpha_x, alpha_y,
        )  # fmt: skip
        series = _sie_series(lens[0, b], lens[1, b])
        sigma, source_x, source_y = source[0, b], source[1, b], source[2, b]
        exponent = -half_log2_e / (sigma * sigma)
        pixels[:] = 0
        for top in range(0, n_points, block):
            n_rows = min(block, n_points - top)
            for row in range(block):
                y[row * n_points : (row + 1) * n_points] = points[min(top + row, n_points - 1)]
            _sie_at(x, y, lens[:, b], series, sie_x, sie_y, kappa)
            subs_x, subs_y = (
                alpha_x[top : top + n_rows].ravel(),
                alpha_y[top : top + n_rows].ravel(),
            )
            for i in range(n_rows * n_points):
                beta_x = x[i] - sie_x[i] - subs_x[i] - source_x
                beta_y = y[i] - sie_y[i] - subs_y[i] - source_y
                brightness[i] = _exp2(exponent * (beta_x * beta_x + beta_y * beta_y))
            for row in range(n_rows):
                bright, pixel_row = brightness[row * n_points :], pixels[(top + row) // sub]
                for j in range(sub):
                    for i in range(n_pix):
                        pixel_row[i] += share * bright[i * sub + j]
        _convolve(pixels, kernel, images[b])


@njit(**_OPTIONS)
def _blocks_of_rows(points):
    """How many rows of the grid `points` x `points` to draw at once, and x along them."""
    n_points = len(points)
    block = min(-(-_BLOCK // n_points), n_points)
    x = np.empty(block * n_points, np.float32)
    for row in range(block):
        x[row * n_points : (row + 1) * n_points] = points
    return block, x


@njit(**_INLINED)
def _lensed_sersic(x, y, lens, series, light, side, brightness, curvature):
    """Fill `brightness` and `curvature` (n,) at the points `x`, `y`.

    `lens` and `light` are columns of the arguments of `render_sersic`, `series` is the lens's; the
    curvature is that of `rendering._lensed_sersic`, and infinite where a galaxy may hide.
    """
    one, half, two = np.float32(1), np.float32(0.5), np.float32(2)
    peak, R_sersic, inverse_n, b = light[0], light[1], one / light[2], light[3]
    center_x, center_y, ux, uy, vx, vy = light[4], light[5], light[6], light[7], light[8], light[9]
    work = np.zeros((4, len(x)), x.dtype)
    alpha_x, alpha_y, kappa, stretch2 = work[0], work[1], work[2], work[3]
    if lens[0] != 0:
        _sie_at(x, y, lens, series, alpha_x, alpha_y, kappa)
    inverse_R2 = one / (R_sersic * R_sersic)
    floor = np.float32(SMOOTHING**2) * inverse_R2
    reach2 = side * side * inverse_R2 / light[10]
    half_inverse_n, log2_e = half * inverse_n, np.float32(1 / _LN2)
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
        exponent = b * _exp2(half_inverse_n * _log2(r2))
        brightness[i] = peak * _exp2(-log2_e * exponent)
        slope = inverse_n * exponent
        bend = stretch2[i] * inverse_R2 / r2 * slope * (slope + one) * brightness[i]
        hides = (r2 > one) & (r2 < reach2 * stretch2[i])
        curvature[i] = np.float32(np.inf) if hides else bend


@njit(**_OPTIONS)
def render_sersic(first, last, points, side, lens, light, kernel, tolerance, images, fluxes):
    """Fill `images` (B, n_pix, n_pix) and `fluxes` (B,) for the images `first` to `last`.

    `points` are the sub-pixels' centres along each axis and `side` is a sub-pixel's. `lens` (5, B)
    holds the parameters in the order of `rendering.LENS_KEYS`, with a theta_E of zero for no lens,
    `light` (11, B) what `rendering._profile_table` makes of a Sersic profile; `kernel` is as for
    `render` and `tolerance` as for `rendering.render_galaxies`. A flux is the sum of an image
    before its convolution.
    """
    n_pix, n_points = images.shape[1], len(points)
    sub = n_points // n_pix
    block, x = _blocks_of_rows(points)
    work = np.empty((3, len(x)), points.dtype)
    y, brightness, curvature = work[0], work[1], work[2]
    quarters = np.empty((4, _BLOCK), points.dtype)
    four_x, four_y, four_bright, four_bend = quarters[0], quarters[1], quarters[2], quarters[3]
    rough = np.empty((2, n_points * n_points), points.dtype)
    rough_pixel = np.empty(n_points * n_points, np.int32)
    image = np.empty(n_pix * n_pix, points.dtype)
    for b in range(first, last):
        series = _sie_series(lens[0, b], lens[1, b])
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
            for start in range(0, len(pixel), _BLOCK // 4):
                n_cells = min(_BLOCK // 4, len(pixel) - start)
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
        _convolve(image.reshape(n_pix, n_pix), kernel, images[b])


@njit(**_OPTIONS)
def _area_and_limit(side, tolerance):
    """Area of a square, and the curvature above which its midpoint is not good enough."""
    area = side * side
    if side > np.float32(SMOOTHING):
        return area, np.float32(24) * tolerance / (area * area)
    return area, np.float32(np.inf)
