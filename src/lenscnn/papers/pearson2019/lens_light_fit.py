"""Lens light as found in the image itself, by somebody who does not know where the arcs are."""

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.special import expit, logit

from lenscnn.core.conventions import pixel_centers
from lenscnn.instrument.survey import FWHM
from lenscnn.lensing.sersic_galaxies import GALAXY_KEYS, render_sersic
from lenscnn.papers.pearson2019.ellipticity import e1_e2_to_q_phi_pearson

PARAMETERS = ("flux", *GALAXY_KEYS)
"""What is fitted: total flux (electrons), and the parameters of `render_sersic`."""

N_SERSIC = (0.5, 8.0)
"""Range of the Sersic index."""

SMALLEST_R = 0.05
"""Smallest half-light radius, arcsec; the largest is the size of the stamp."""

SMALLEST_Q = 0.1
"""Smallest axis ratio."""

_LARGEST_E = (1 - SMALLEST_Q**2) / (1 + SMALLEST_Q**2)  # pearson2019's ellipticity

# Iterations end when chi^2 falls by less than a part in 10^5, some 0.03, or when the parameters
# move by less than a part in 10^4.
_CHI2_CHANGE, _STEP_LENGTH, _EVALUATIONS = 1e-5, 1e-4, 100

# Forward step of the derivatives, in free parameters (each spans some 4): of the order of 0.01 of
# a radius or a pixel. Nearly all fits end at one chi^2 from 5e-4 to 5e-3, and above it at 2e-2.
_STEP = 2e-3


def fit_sersic(images: torch.Tensor, variance: float, survey: dict, scene: dict):
    """Fit a Sersic profile to each image by least squares over the whole stamp.

    The variance of a pixel is taken from the image itself, `variance` + max(image, 0). The profile
    is convolved with the point-spread function. Arcs are not masked, so that some of their light
    ends up in the profile, and where they outshine the lens it may settle on them.

    Images are fitted one by one, on the CPU: none depends on the others.

    Parameters
    ----------
    images : Tensor, shape (B, 1, n_pix, n_pix)
        Electrons, the mean background subtracted.
    variance
        Of a pixel of the background alone, electrons^2.
    survey
        ``n_pix``, ``pixel_scale``, ``seeing`` (FWHM, arcsec).
    scene
        ``supersampling`` and ``tolerance`` of `lensing.sersic_galaxies.render_galaxies`.

    Returns
    -------
    models : Tensor of float32, shape of `images`
        The fitted profiles, electrons, on the images' device.
    parameters : dict of ndarray, shape (B,)
        `PARAMETERS`, with 0 <= phi < pi, and ``converged``, bool: whether the iterations came to
        an end. Where not, the best that they found is given.

    Raises
    ------
    ValueError
        If a pixel is not a finite number, or the images or `variance` are not as above.
    """
    n_pix = survey["n_pix"]
    if images.shape[1:] != (1, n_pix, n_pix):
        raise ValueError(f"images are {tuple(images.shape)}, not (B, 1, {n_pix}, {n_pix})")
    if not 0 < variance < np.inf:
        raise ValueError(f"variance is {variance}; it must be positive")
    bad = (~torch.isfinite(images).all((1, 2, 3))).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"image {bad[0]} has pixels that are not finite numbers "
            f"(so have {len(bad)} of {len(images)} images)"
        )
    camera = (
        n_pix,
        survey["pixel_scale"],
        scene["supersampling"],
        survey["seeing"] / FWHM,
        scene["tolerance"],
    )
    models = np.empty(images.shape, np.float32)
    parameters = {name: np.empty(len(images)) for name in PARAMETERS}
    parameters["converged"] = np.empty(len(images), bool)
    for b, image in enumerate(images[:, 0].double().cpu().numpy()):
        models[b, 0], found = _fit(image, variance, camera)
        for name, value in found.items():
            parameters[name][b] = value
    return torch.as_tensor(models, device=images.device), parameters


def _fit(image: np.ndarray, variance: float, camera: tuple) -> tuple[np.ndarray, dict]:
    bounds = _bounds(*camera[:2])
    sigma = np.sqrt(variance + np.maximum(image, 0)).ravel()
    data = image.ravel() / sigma

    def unit_models(free):  # of unit flux, over sigma
        light = {
            name: torch.as_tensor(values).float() for name, values in _light(free, bounds).items()
        }
        return render_sersic(light, *camera).flatten(1).numpy() / sigma

    def residuals(free):
        return free[-1] * unit_models(free[None])[0] - data

    def jacobian(free):
        models = unit_models(np.vstack([free, free + _STEP * np.eye(6, 7)]))
        return np.vstack([free[-1] * (models[1:] - models[0]) / _STEP, models[0]]).T

    start = _starting_values(image, variance, camera[1], bounds)
    model = unit_models(start[None])[0]
    start[-1] = model @ data / (model @ model)  # the best flux for the others
    solution = least_squares(
        residuals,
        start,
        jacobian,
        method="lm",
        x_scale="jac",
        ftol=_CHI2_CHANGE,
        xtol=_STEP_LENGTH,
        max_nfev=_EVALUATIONS,
    )
    found = {name: values[0] for name, values in _light(solution.x[None], bounds).items()}
    found |= {"flux": solution.x[-1], "converged": solution.success}
    return ((solution.fun + data) * sigma).reshape(image.shape), found


# The free parameters, seven a fit, may be any numbers: four that a logistic function carries into
# the ranges of center_x, center_y, ln(R_sersic) and n_sersic; pearson2019's ellipticity, which
# unlike q and phi is smooth at q = 1, blown up from its disc to the plane; the flux.


def _bounds(n_pix: int, pixel_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranges of center_x, center_y, ln(R_sersic), n_sersic."""
    side = n_pix * pixel_scale
    low = np.array([-side / 2, -side / 2, np.log(SMALLEST_R), N_SERSIC[0]])
    return low, np.array([side / 2, side / 2, np.log(side), N_SERSIC[1]])


def _light(free: np.ndarray, bounds: tuple) -> dict[str, np.ndarray]:
    """Return the parameters of `render_sersic`, each (k,), from free ones (k, 7)."""
    low, high = bounds
    center_x, center_y, log_R, n_sersic = (low + (high - low) * expit(free[:, :4])).T
    u, v = free[:, 4], free[:, 5]
    shrunk = _LARGEST_E / np.hypot(1, np.hypot(u, v))
    q, phi = e1_e2_to_q_phi_pearson(shrunk * u, shrunk * v)
    return {
        "center_x": center_x,
        "center_y": center_y,
        "R_sersic": np.exp(log_R),
        "n_sersic": n_sersic,
        "q": q,
        "phi": phi,
    }


def _starting_values(image: np.ndarray, variance: float, pixel_scale: float, bounds: tuple):
    """Return the parameters (7,) of a de Vaucouleurs profile with the bright pixels' moments.

    These are three sigma above the background, or the brightest pixel. The flux is left at zero.
    """
    at = pixel_centers(len(image), pixel_scale)
    bright = np.maximum(image - 3 * variance**0.5, 0)
    if not bright.any():
        bright = (image == image.max()).astype(float)
    weight = bright / bright.sum()
    x, y = (weight * at).sum(), (weight * at[:, None]).sum()
    dx, dy = at - x, at[:, None] - y
    within = pixel_scale**2 / 12  # of light spread over one pixel
    xx, yy = (weight * dx**2).sum() + within, (weight * dy**2).sum() + within
    xy = (weight * dx * dy).sum()

    low, high = bounds
    values = np.array([x, y, np.log((xx + yy) / 2) / 2, 4.0])
    start = np.zeros(7)
    start[:4] = logit(np.clip((values - low) / (high - low), 0.01, 0.99))
    e = np.array([xx - yy, 2 * xy]) / (xx + yy) / _LARGEST_E
    e *= 0.9 / max(np.hypot(*e), 0.9)
    start[4:6] = e / np.sqrt(1 - e @ e)
    return start
