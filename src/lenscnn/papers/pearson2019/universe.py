"""Distances and luminosities in pearson2019's universe, and the light of its lenses."""

import numpy as np

from lenscnn.core.conventions import ARCSEC, SPEED_OF_LIGHT
from lenscnn.core.cosmology import comoving_distance, einstein_radius, velocity_dispersion
from lenscnn.galaxies.distributions import truncated_normal


class Universe:
    """Tables of distances and of the laws that are inverted to draw from them.

    Parameters
    ----------
    spec
        The population's spec (`draw_lenses`).
    """

    def __init__(self, spec: dict):
        h, omega_m = spec["cosmology"]["h"], spec["cosmology"]["omega_m"]
        self.z = np.linspace(0, max(spec["redshift"]["z_source"], spec["redshift"]["z_lens"]), 3001)
        self.comoving = comoving_distance(self.z, omega_m) * SPEED_OF_LIGHT / (100 * h)  # Mpc
        volume = self.comoving**2 / np.sqrt(omega_m * (1 + self.z) ** 3 + 1 - omega_m)
        prior = volume if spec["redshift"]["prior"] == "comoving" else np.ones_like(self.z)
        self._cumulative = np.concatenate(([0], np.cumsum((prior[1:] + prior[:-1]) / 2)))

        law = spec["luminosity_function"]
        magnitude = np.linspace(law["bright"], law["faint"], 4001)
        x = 10 ** (0.4 * (law["M_star"] - magnitude))
        density = np.exp(-x) * (
            law["phi1"] * x ** (law["alpha1"] + 1) + law["phi2"] * x ** (law["alpha2"] + 1)
        )
        self._magnitude = magnitude
        self._luminosity = np.concatenate(([0], np.cumsum((density[1:] + density[:-1]) / 2)))

    def redshift(self, u, maximum: float) -> np.ndarray:
        """Return the redshift up to `maximum` with uniform number `u`, by the prior of the spec."""
        top = np.interp(maximum, self.z, self._cumulative)
        return np.interp(u * top, self._cumulative, self.z)

    def absolute_magnitude(self, u) -> np.ndarray:
        """Return the absolute magnitude of a source, from the luminosity function."""
        return np.interp(u * self._luminosity[-1], self._luminosity, self._magnitude)

    def distance(self, z) -> np.ndarray:
        """Return the comoving distance, Mpc."""
        return np.interp(z, self.z, self.comoving)

    def distance_modulus(self, z) -> np.ndarray:
        """Return m - M without K-correction."""
        return 5 * np.log10((1 + z) * self.distance(z)) + 25

    def arcsec_per_kpc(self, z) -> np.ndarray:
        """Return the angle that a proper kpc across the line of sight subtends, arcsec."""
        return (1 + z) / (1000 * self.distance(z)) / ARCSEC

    def theta_E(self, sigma_v, z_lens, z_source) -> np.ndarray:
        """Return the Einstein radius of an isothermal lens, arcsec."""
        ratio = 1 - self.distance(z_lens) / self.distance(z_source)
        return einstein_radius(sigma_v, ratio)

    def sigma_v(self, theta_E, z_lens, z_source) -> np.ndarray:
        """Return the velocity dispersion of the isothermal lens of this Einstein radius, km/s."""
        ratio = 1 - self.distance(z_lens) / self.distance(z_source)
        return velocity_dispersion(theta_E, ratio)


def lens_light(spec: dict, universe: Universe, sigma_v, z_lens, u_size) -> tuple:
    """Draw half-light radius (arcsec) and magnitude of early-type lenses.

    The size follows from the velocity dispersion with scatter (Hyde & Bernardi 2009a), the surface
    brightness from both by the fundamental plane, log10 R_e = a log10 sigma + b mu_e + c
    (Hyde & Bernardi 2009b). The magnitude is M + distance modulus.

    Parameters
    ----------
    spec
        The population's spec.
    universe
        Its tables.
    sigma_v, z_lens, u_size : ndarray, shape (n,)
        Velocity dispersion (km/s), redshift, uniform number of the size's scatter.

    Returns
    -------
    R_sersic, magnitude : ndarray, shape (n,)
    """
    law = spec["lens_light"]
    v = np.log10(sigma_v)
    c0, c1, c2 = law["size_of_sigma"]
    log_R = truncated_normal(u_size, c0 + c1 * v + c2 * v**2, law["size_scatter"])  # kpc
    a, b, c = law["fundamental_plane"]
    mu_e = (log_R - a * v - c) / b
    # mu_e = M + 2.5 log10(2 pi R_e^2) + 36.57 with R_e in kpc.
    absolute = mu_e - 2.5 * np.log10(2 * np.pi) - 5 * log_R - 36.57
    R_sersic = 10**log_R * universe.arcsec_per_kpc(z_lens)
    return R_sersic, absolute + universe.distance_modulus(z_lens)
