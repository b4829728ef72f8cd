"""Deflection and convergence of an isothermal ellipsoid in a compiled loop."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.elementary import SOFTENING
from lenscnn.lensing.kernels.threads import INLINED, OPTIONS


@njit(**OPTIONS)
def sie_series(theta_E, q):
    """Return coefficients a_n, float32, of the SIE's deflection, cut at the noise of that.

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


@njit(**INLINED)
def sie_at(x, y, lens, series, alpha_x, alpha_y, kappa):
    """Fill `alpha_x`, `alpha_y`, `kappa` (n,): deflection and convergence at the points `x`, `y`.

    `lens` has the parameters in the order of `checks.LENS_KEYS`, `series` is `sie_series`.
    """
    one, two, softening = np.float32(1), np.float32(2), np.float32(SOFTENING)
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
