"""Distances, ages and Einstein radii in a flat Lambda-CDM universe."""

import numpy as np

from lenscnn.core.conventions import ARCSEC, SPEED_OF_LIGHT

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def comoving_distance(z, omega_m: float) -> np.ndarray:
    """Return the line-of-sight comoving distance in units of c/H0, radiation neglected.

    Parameters
    ----------
    z : array_like, shape (n,)
        Redshifts, >= 0.
    omega_m
        Matter density over the critical density today; flat, so Omega_Lambda = 1 - omega_m.

    Returns
    -------
    ndarray, shape (n,)
    """
    z = np.atleast_1d(np.asarray(z, dtype=float))
    # In s = (1 + z)^(-1/2) the integrand is smooth up to any z: 32 nodes give ten digits at z = 6.
    s_min = (1 + z) ** -0.5
    half = (1 - s_min) / 2
    s = 1 - half[:, None] * (1 - _NODES)
    integrand = 2 / np.sqrt(omega_m + (1 - omega_m) * s**6)
    return half * (integrand @ _WEIGHTS)


def distance_ratio(z_lens: float, z_source, omega_m: float) -> np.ndarray:
    """Return D_ds / D_s, the angular diameter distances lens to source and observer to source.

    Parameters
    ----------
    z_lens
        Redshift of the lens.
    z_source : array_like, shape (n,)
        Redshifts of the sources.
    omega_m
        Matter density over the critical density today; flat.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If a source is not behind the lens.
    """
    z_source = np.atleast_1d(np.asarray(z_source, dtype=float))
    if np.any(z_source <= z_lens):
        raise ValueError(
            f"source at z = {z_source.min():g} is not behind the lens at z = {z_lens:g}: "
            "raise the minimum of z_source or lower z_lens"
        )
    return 1 - comoving_distance(z_lens, omega_m) / comoving_distance(z_source, omega_m)


def age_of_universe(z, h: float, omega_m: float) -> np.ndarray:
    """Return the age of a flat Lambda-CDM universe without radiation at redshift z, yr.

    Parameters
    ----------
    z : array_like
        Redshifts, > -1.
    h
        Hubble constant over 100 km/s/Mpc.
    omega_m
        Matter density over the critical density today, between 0 and 1.

    Returns
    -------
    ndarray, shape of `z`
    """
    hubble_time = 977.7922216807891e7 / h  # Mpc / (100 km/s) in Julian years
    omega_l = 1 - omega_m
    growth = np.sqrt(omega_l / omega_m) * (1 + np.asarray(z, float)) ** -1.5
    return hubble_time * 2 / (3 * np.sqrt(omega_l)) * np.arcsinh(growth)


def einstein_radius(sigma_v, ratio: float | np.ndarray = 1.0) -> np.ndarray:
    """Return the Einstein radius (arcsec) of an isothermal lens of dispersion `sigma_v` (km/s).

    `ratio` is that of the distances from lens to source and from us to source: at most one.
    """
    return 4 * np.pi * (sigma_v / SPEED_OF_LIGHT) ** 2 * ratio / ARCSEC


def velocity_dispersion(theta_E, ratio) -> np.ndarray:
    """Return the velocity dispersion (km/s) of an isothermal lens of this Einstein radius (arcsec).

    The inverse of `einstein_radius`; `ratio` is as there.
    """
    return SPEED_OF_LIGHT * np.sqrt(theta_E * ARCSEC / (4 * np.pi * ratio))
