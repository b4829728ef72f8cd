"""Deflections and convergences of singular isothermal lenses.

Every function is elementwise: arguments are broadcast against each other, and the result has the
broadcast shape, the dtype and the device of the arguments. All are differentiable in all of their
arguments. Axes and the Einstein radius follow :mod:`lenscnn.core.conventions`.
"""

import torch
from torch import Tensor

# Below this value of f^2 = 1 - q^2 the deflection is continued by a first-order expansion in f^2,
# whose error (3/40 f^4, below 1e-9 of theta_E) is then smaller than what dividing by f loses.
_SMALLEST_F2 = 1e-4


def sie_deflection(
    x: Tensor,
    y: Tensor,
    theta_E: Tensor,
    q: Tensor,
    phi: Tensor,
    center_x: Tensor,
    center_y: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the deflection of a singular isothermal ellipsoid (Kormann et al. 1994, eq. 27a).

    In the lens's own axes, with f = sqrt(1 - q^2), psi = sqrt(q^2 x^2 + y^2), b = theta_E sqrt(q),
    it is b/f (arctan(f x/psi), artanh(f y/psi)), evaluated here as
    b/f (arcsin(f x/r), arsinh(f y/(q r))): the same functions, but well conditioned everywhere.

    Parameters
    ----------
    x, y
        Where to evaluate, arcsec.
    theta_E
        Product-averaged Einstein radius, arcsec.
    q
        Axis ratio, 0 < q <= 1. Value (to 1e-9 theta_E) and gradient hold up to q = 1 itself.
    phi
        Position angle of the major axis, rad, counter-clockwise from +x.
    center_x, center_y
        Lens centre, arcsec. The deflection there is undefined; zero is returned.

    Returns
    -------
    alpha_x, alpha_y
        Deflection, arcsec.
    """
    cos, sin = torch.cos(phi), torch.sin(phi)
    dx, dy = x - center_x, y - center_y
    inverse_r = _inverse_radius(dx, dy)
    u = (cos * dx + sin * dy) * inverse_r
    v = (cos * dy - sin * dx) * inverse_r / q

    f2 = (1 - q) * (1 + q)
    f2_used = f2.clamp(min=_SMALLEST_F2)
    f, f2_rest = f2_used.sqrt(), (f2 - f2_used) / 6
    b = theta_E * q.sqrt()
    major = b * (torch.asin(f * u) / f + f2_rest * u**3)
    minor = b * (torch.asinh(f * v) / f - f2_rest * v**3)
    return cos * major - sin * minor, sin * major + cos * minor


def sie_convergence(
    x: Tensor,
    y: Tensor,
    theta_E: Tensor,
    q: Tensor,
    phi: Tensor,
    center_x: Tensor,
    center_y: Tensor,
) -> Tensor:
    """Return the convergence theta_E / (2 sqrt(q x'^2 + y'^2 / q)) of an isothermal ellipsoid.

    Parameters are those of :func:`sie_deflection`. The result is dimensionless, and infinite at
    the lens centre.
    """
    cos, sin = torch.cos(phi), torch.sin(phi)
    dx, dy = x - center_x, y - center_y
    major, minor = cos * dx + sin * dy, cos * dy - sin * dx
    return theta_E / (2 * torch.sqrt(q * major**2 + minor**2 / q))


def sis_deflection(
    x: Tensor, y: Tensor, theta_E: Tensor, center_x: Tensor, center_y: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the deflection of a singular isothermal sphere: theta_E, away from the centre.

    Parameters
    ----------
    x, y
        Where to evaluate, arcsec.
    theta_E
        Einstein radius, arcsec.
    center_x, center_y
        Lens centre, arcsec. The deflection there is undefined; zero is returned.

    Returns
    -------
    alpha_x, alpha_y
        Deflection, arcsec.
    """
    dx, dy = x - center_x, y - center_y
    scale = theta_E * _inverse_radius(dx, dy)
    return scale * dx, scale * dy


def sis_convergence(
    x: Tensor, y: Tensor, theta_E: Tensor, center_x: Tensor, center_y: Tensor
) -> Tensor:
    """Return the convergence theta_E / (2 r) of a singular isothermal sphere.

    Parameters are those of :func:`sis_deflection`. The result is dimensionless, and infinite at
    the lens centre.
    """
    return theta_E / (2 * torch.hypot(x - center_x, y - center_y))


def _inverse_radius(dx: Tensor, dy: Tensor) -> Tensor:
    """Return 1 / sqrt(dx^2 + dy^2), and 1 at the origin, where gradients must be finite too."""
    r2 = dx**2 + dy**2
    return torch.rsqrt(torch.where(r2 > 0, r2, 1.0))
