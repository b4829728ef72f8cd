"""Definitions that every part keeps: units, pixel grids, ellipticities, angles.

Lengths on the sky are in arcsec, angles in radians, masses in solar masses, velocities in km/s.
Axis 0 of an image is y (increasing upwards), axis 1 is x; the origin is the centre of the stamp.
The main lens is a SIE with the product-averaged Einstein radius,

    kappa = theta_E / (2 sqrt(q x'^2 + y'^2 / q)),

in axes turned by `phi` (major axis, counter-clockwise from +x); the area inside the critical
curve is then pi theta_E^2, as in lenstronomy's ``SIE``.
"""

import numpy as np

ARCSEC = np.pi / 180 / 3600
"""One arcsec in radians."""

SPEED_OF_LIGHT = 299792.458
"""Speed of light in km/s."""


def pixel_centers(n_pix: int, pixel_scale: float) -> np.ndarray:
    """Return the coordinates of the pixel centres along one axis of a stamp centred on the origin.

    Parameters
    ----------
    n_pix
        Pixels along the axis.
    pixel_scale
        Size of a pixel, arcsec.

    Returns
    -------
    ndarray, shape (n_pix,)
        Coordinates in arcsec, increasing.
    """
    return (np.arange(n_pix) - (n_pix - 1) / 2) * pixel_scale


def q_phi_to_e1_e2_lenstronomy(q, phi):
    """Return lenstronomy's complex ellipticity, (1 - q)/(1 + q) exp(2 i phi).

    Parameters
    ----------
    q
        Axis ratio, 0 < q <= 1.
    phi
        Position angle of the major axis, rad, counter-clockwise from +x.

    Returns
    -------
    e1, e2
        Dimensionless components, shaped as `q` and `phi` broadcast.
    """
    e = (1 - q) / (1 + q)
    return e * np.cos(2 * phi), e * np.sin(2 * phi)
