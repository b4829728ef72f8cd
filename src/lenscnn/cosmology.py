"""Distances in a flat Lambda-CDM universe.

A dozen lines instead of astropy: importing astropy.cosmology costs a job more than all the
distances it needs, and the only quantity needed is a ratio. astropy is the judge in the tests.
"""

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def comoving_distance(z, omega_m: float) -> np.ndarray:
    """Line-of-sight comoving distance in units of c/H0, radiation neglected.

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
    """D_ds / D_s, the angular diameter distances lens to source and observer to source.

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
