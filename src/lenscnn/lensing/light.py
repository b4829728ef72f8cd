"""Surface brightness of sources."""

import torch
from torch import Tensor

SMOOTHING = 1e-4
"""Radius within which a Sersic profile is constant, arcsec (lenstronomy's)."""

B_SLOPE, B_ZERO = 1.9992, -0.3271
"""b_n of a Sersic profile is the first times n plus the second (lenstronomy's)."""

SMALLEST_N = 0.2
"""Smallest Sersic index: that of b_n = 0 is 0.16."""


def gaussian(
    x: Tensor,
    y: Tensor,
    sigma: Tensor,
    center_x: Tensor,
    center_y: Tensor,
    amplitude: Tensor | float = 1.0,
) -> Tensor:
    """Return the surface brightness of a circular Gaussian; all arguments are broadcast.

    Parameters
    ----------
    x, y
        Where to evaluate, arcsec.
    sigma
        Standard deviation along each axis, arcsec.
    center_x, center_y
        Centre, arcsec.
    amplitude
        Peak surface brightness, which sets the unit of the result.
    """
    r2 = (x - center_x) ** 2 + (y - center_y) ** 2
    return amplitude * torch.exp(r2 * (-0.5 / sigma**2))


def sersic_b(n_sersic: Tensor) -> Tensor:
    """Return b_n, with which R_sersic holds half of the light to 1 %, as lenstronomy does."""
    return B_SLOPE * n_sersic + B_ZERO


def sersic_peak(R_sersic: Tensor, n_sersic: Tensor) -> Tensor:
    """Return the central surface brightness of a Sersic profile of unit total flux, arcsec^-2.

    The flux out to infinity is 2 pi n Gamma(2 n) R_sersic^2 / b^(2 n) times the central brightness.
    """
    log_flux = torch.lgamma(2 * n_sersic) - 2 * n_sersic * torch.log(sersic_b(n_sersic))
    return torch.exp(-log_flux) / (2 * torch.pi * n_sersic * R_sersic**2)


def sersic(
    x: Tensor,
    y: Tensor,
    R_sersic: Tensor,
    n_sersic: Tensor,
    q: Tensor,
    phi: Tensor,
    center_x: Tensor,
    center_y: Tensor,
) -> Tensor:
    """Return the surface brightness of an elliptical Sersic profile of unit total flux, arcsec^-2.

    I_0 exp(-b_n (R / R_sersic)^(1/n)) with R = sqrt(q x'^2 + y'^2 / q) in the galaxy's own axes.
    The conventions are those of lenstronomy's ``SERSIC_ELLIPSE``: radii are product averages, b_n
    is that of :func:`sersic_b`, and R is no smaller than `SMOOTHING`. All arguments are broadcast,
    and the result is differentiable in all of them.

    Parameters
    ----------
    x, y
        Where to evaluate, arcsec.
    R_sersic
        Half-light radius, arcsec.
    n_sersic
        Sersic index, at least `SMALLEST_N`.
    q
        Axis ratio, 0 < q <= 1.
    phi
        Position angle of the major axis, rad, counter-clockwise from +x.
    center_x, center_y
        Centre, arcsec.
    """
    return sersic_and_slope(x, y, R_sersic, n_sersic, q, phi, center_x, center_y)[0]


def sersic_and_slope(
    x: Tensor,
    y: Tensor,
    R_sersic: Tensor,
    n_sersic: Tensor,
    q: Tensor,
    phi: Tensor,
    center_x: Tensor,
    center_y: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return :func:`sersic`, and where and how steep the profile is there.

    Returns
    -------
    brightness
        As :func:`sersic`.
    R
        Product-averaged radius, arcsec.
    slope
        -d ln(brightness) / d ln(R).
    """
    cos, sin = torch.cos(phi), torch.sin(phi)
    dx, dy = x - center_x, y - center_y
    R2 = q * (cos * dx + sin * dy) ** 2 + (cos * dy - sin * dx) ** 2 / q
    R = R2.clamp(min=SMOOTHING**2).sqrt()
    exponent = sersic_b(n_sersic) * (R / R_sersic) ** (1 / n_sersic)
    brightness = sersic_peak(R_sersic, n_sersic) * torch.exp(-exponent)
    return brightness, R, exponent / n_sersic
