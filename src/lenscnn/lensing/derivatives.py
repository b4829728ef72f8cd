"""Derivatives of images of lensed Sersic galaxies by every parameter, in double precision."""

from collections.abc import Mapping

import numpy as np
from scipy.special import digamma, gammaln

from lenscnn.core.conventions import pixel_centers
from lenscnn.lensing.checks import LENS_KEYS
from lenscnn.lensing.kernels import derivatives as kernels
from lenscnn.lensing.light import B_SLOPE, B_ZERO
from lenscnn.lensing.psf import gaussian_kernel

LIGHT_KEYS = ("R_sersic", "n_sersic", "q", "phi", "center_x", "center_y")


def differentiate_galaxies(
    lens: Mapping[str, np.ndarray] | None,
    light: Mapping[str, np.ndarray],
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
    tolerance: float = 1e-6,
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Render noise-free images of galaxies of unit flux, and differentiate them.

    Derivatives are those of the sum over sub-pixels that `sersic_galaxies.render_galaxies` takes,
    with the quarterings held fixed: exact for that sum. Differences of the compiled images are not:
    these are in single precision, and may be quartered otherwise at the next step. They also take
    two images a parameter.

    Parameters
    ----------
    lens : mapping of ndarray, shape (B,), or None
        As for `sersic_galaxies.render_galaxies`, but for q < 1; None for no lens.
    light : mapping of ndarray, shape (B,)
        As for `sersic_galaxies.render_sersic`, `center_x` and `center_y` in the source plane.
    n_pix, pixel_scale, supersampling, psf_sigma, tolerance
        As for `sersic_galaxies.render_galaxies`.

    Returns
    -------
    images : ndarray, shape (B, n_pix, n_pix)
        Fractions of the unlensed flux.
    by_lens, by_light : dict of ndarray, shape (B, n_pix, n_pix)
        Derivatives of the images by each parameter of `lens`, if there is one, and of `light`.

    Raises
    ------
    ValueError
        If an axis ratio of a lens is not below one: there is no position angle then.
    """
    shape = np.stack([np.asarray(light[key], float) for key in LIGHT_KEYS])
    R, n = shape[:2]
    b = B_SLOPE * n + B_ZERO
    log_peak = 2 * n * np.log(b) - gammaln(2 * n) - np.log(2 * np.pi * n * R**2)
    by_n = 2 * np.log(b) + 2 * n * B_SLOPE / b - 2 * digamma(2 * n) - 1 / n
    table = np.concatenate([shape, [b, np.exp(log_peak), by_n]])
    mass = np.zeros((len(LENS_KEYS), len(R)))
    if lens is not None:
        mass = np.stack([np.asarray(lens[key], float) for key in LENS_KEYS])
        if not (mass[1] < 1).all():
            raise ValueError("a lens with an axis ratio of 1 has no position angle")
    side = pixel_scale / supersampling
    images = np.empty((len(R), 1 + len(LENS_KEYS) + len(LIGHT_KEYS), n_pix, n_pix))
    kernels.differentiate(
        0, len(R), pixel_centers(n_pix * supersampling, side), side, mass, table,
        np.array(gaussian_kernel(psf_sigma / pixel_scale)), tolerance, images,
    )  # fmt: skip
    by_lens = {key: images[:, 1 + k] for k, key in enumerate(LENS_KEYS)} if lens else {}
    by_light = {key: images[:, 1 + len(LENS_KEYS) + k] for k, key in enumerate(LIGHT_KEYS)}
    return images[:, 0], by_lens, by_light
