"""Critical curve and caustic of a singular isothermal ellipsoid."""

import numpy as np
import torch

from lenscnn.lensing.isothermal import sie_deflection


def critical_curve(theta_E, q, phi, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tangential critical curve about the lens centre: an ellipse of area pi theta_E^2.

    Parameters
    ----------
    theta_E, q, phi : array, shape (...)
        Einstein radius (arcsec), axis ratio (0 < q <= 1) and position angle (rad) of the lens.
    n_points
        Points on the curve, which closes from the last to the first.

    Returns
    -------
    x, y : ndarray, shape (..., n_points)
        Points in order, arcsec.
    """
    theta_E, q, phi = (np.asarray(a, dtype=np.float64)[..., None] for a in (theta_E, q, phi))
    t = 2 * np.pi * np.arange(n_points) / n_points
    # kappa = 1/2 there: Kormann et al. 1994, section 3.
    major, minor = theta_E / np.sqrt(q) * np.cos(t), theta_E * np.sqrt(q) * np.sin(t)
    return np.cos(phi) * major - np.sin(phi) * minor, np.sin(phi) * major + np.cos(phi) * minor


def tangential_caustic(theta_E, q, phi, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tangential caustic about the lens centre: the curve in the source plane.

    A point within it has four images where it also lies within the cut, which for q below 0.39 it
    need not. Arguments and result are those of :func:`critical_curve`.
    """
    x, y = (torch.as_tensor(a) for a in critical_curve(theta_E, q, phi, n_points))
    theta_E, q, phi = (
        torch.as_tensor(np.asarray(a, dtype=np.float64))[..., None] for a in (theta_E, q, phi)
    )
    zero = torch.zeros((), dtype=torch.float64)
    alpha_x, alpha_y = sie_deflection(x, y, theta_E, q, phi, zero, zero)
    return (x - alpha_x).numpy(), (y - alpha_y).numpy()
