"""Derivatives of lensed Sersic galaxies by every parameter, in a compiled loop of float64."""

import math

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.images import convolve
from lenscnn.lensing.kernels.threads import OPTIONS
from lenscnn.lensing.light import B_SLOPE, SMOOTHING

N_LENS, N_LIGHT = 5, 6
"""Parameters of a lens and of a galaxy: `checks.LENS_KEYS`, `derivatives.LIGHT_KEYS`."""


@njit(**OPTIONS)
def _deflect(x, y, lens, by):
    """Return deflection and convergence, and fill `by` (5, 2) with the deflection's derivatives.

    With w = (M, m) / r in the lens's own axes, f^2 = 1 - q^2 and rho^2 = q^2 M^2 / r^2 + m^2 / r^2
    the deflection is theta_E sqrt(q) / f (arcsin(f M / r), arsinh(f m / (q r))) as in
    `isothermal.sie_deflection`. It depends on the direction alone, so that its derivatives by
    position are 2 kappa t t^T, t being the tangential unit vector.
    """
    theta_E, q, phi, center_x, center_y = lens
    by[:] = 0.0
    if theta_E == 0.0:
        return 0.0, 0.0, 0.0
    cos, sin = math.cos(phi), math.sin(phi)
    dx, dy = x - center_x, y - center_y
    r = math.hypot(dx, dy)
    if r == 0.0:
        return 0.0, 0.0, np.inf
    major, minor = (cos * dx + sin * dy) / r, (cos * dy - sin * dx) / r
    f2 = 1.0 - q * q
    f, rho, root = math.sqrt(f2), math.sqrt(q * q * major * major + minor * minor), math.sqrt(q)
    kappa = theta_E * root / (2.0 * r * rho)
    first, second = math.asin(f * major) / f, math.asinh(f * minor / q) / f
    a, b = theta_E * root * first, theta_E * root * second
    alpha_x, alpha_y = cos * a - sin * b, sin * a + cos * b
    by[0, 0], by[0, 1] = alpha_x / theta_E, alpha_y / theta_E
    a_q = a / (2.0 * q) - theta_E * root * q / f2 * (major / rho - first)
    b_q = b / (2.0 * q) - theta_E * root * (
        q / f2 * (minor / rho - second) + minor / (q * rho)
    )  # fmt: skip
    by[1, 0], by[1, 1] = cos * a_q - sin * b_q, sin * a_q + cos * b_q
    by[2, 0], by[2, 1] = 2.0 * kappa * dy - alpha_y, alpha_x - 2.0 * kappa * dx
    t_x, t_y = -dy / r, dx / r
    by[3, 0], by[3, 1] = -2.0 * kappa * t_x * t_x, -2.0 * kappa * t_x * t_y
    by[4, 0], by[4, 1] = by[3, 1], -2.0 * kappa * t_y * t_y
    return alpha_x, alpha_y, kappa


@njit(**OPTIONS)
def _at(x, y, side, lens, light, tolerance, by_deflection, values):
    """Fill `values` with brightness and its derivatives; return whether a square is too rough.

    The criterion is that of `sersic_galaxies._lensed_sersic`; of a rough square only the first
    value means something. `light` has the `N_LIGHT` parameters, b_n, the central brightness, and
    the derivative of the latter's logarithm by n.
    """
    R_sersic, n, q, phi, center_x, center_y, b_n, peak, log_peak_by_n = light
    alpha_x, alpha_y, kappa = _deflect(x, y, lens, by_deflection)
    cos, sin = math.cos(phi), math.sin(phi)
    dx, dy = x - alpha_x - center_x, y - alpha_y - center_y
    major, minor = cos * dx + sin * dy, cos * dy - sin * dx
    R2 = q * major * major + minor * minor / q
    flat = R2 < SMOOTHING * SMOOTHING
    R2 = max(R2, SMOOTHING * SMOOTHING)
    log_T = 0.5 * math.log(R2) - math.log(R_sersic)
    exponent = b_n * math.exp(log_T / n)
    brightness, slope = peak * math.exp(-exponent), exponent / n
    if side > SMOOTHING and tolerance < np.inf:
        stretch = max(2.0 * kappa - 1.0, 1.0)
        bend = stretch * stretch * slope * (slope + 1.0) * brightness / R2
        hides = R2 > R_sersic * R_sersic and R2 * q < (side * stretch) ** 2
        if hides or bend > 24.0 * tolerance / side**4:
            return True
    steep = 0.0 if flat else -slope * brightness / R2
    by_x = steep * (q * major * cos - minor * sin / q)
    by_y = steep * (q * major * sin + minor * cos / q)
    values[0] = brightness
    for k in range(N_LENS):
        values[1 + k] = -by_x * by_deflection[k, 0] - by_y * by_deflection[k, 1]
    own = values[1 + N_LENS :]
    own[0] = brightness * (slope - 2.0) / R_sersic
    own[1] = brightness * (log_peak_by_n - exponent * (B_SLOPE / b_n - log_T / (n * n)))
    own[2] = steep * 0.5 * (major * major - minor * minor / (q * q))
    own[3] = steep * major * minor * (q - 1.0 / q)
    own[4], own[5] = -by_x, -by_y
    return False


@njit(**OPTIONS)
def differentiate(first, last, points, side, lens, light, kernel, tolerance, images):
    """Fill `images` (B, 12, n_pix, n_pix) from `first` to `last`: image, derivatives by parameters.

    Arguments are as for `sersic.render_sersic`, in float64; `light` is as for `_at`. Squares are
    quartered until each is fine enough, each before the next.
    """
    n_values, n_pix = images.shape[1], images.shape[2]
    sub = len(points) // n_pix
    values, by_deflection = np.empty(n_values), np.empty((N_LENS, 2))
    pixels = np.empty((n_values, n_pix, n_pix))
    waiting = np.empty((3 * 64, 3))  # a quartering leaves three squares for later
    for b in range(first, last):
        pixels[:] = 0.0
        for row in range(len(points)):
            for column in range(len(points)):
                waiting[0, 0], waiting[0, 1], waiting[0, 2] = points[column], points[row], side
                n_waiting = 1
                while n_waiting > 0:
                    n_waiting -= 1
                    x, y, length = waiting[n_waiting]
                    if _at(x, y, length, lens[:, b], light[:, b], tolerance, by_deflection, values):
                        for quarter in range(4):
                            at = waiting[n_waiting]
                            at[0] = x + (0.25 if quarter & 1 else -0.25) * length
                            at[1] = y + (0.25 if quarter & 2 else -0.25) * length
                            at[2] = 0.5 * length
                            n_waiting += 1
                    else:
                        for k in range(n_values):
                            pixels[k, row // sub, column // sub] += length * length * values[k]
        for k in range(n_values):
            convolve(pixels[k], kernel, images[b, k])
