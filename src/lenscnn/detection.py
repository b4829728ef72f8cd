"""Would the survey see it? Magnification and signal-to-noise of lensed sources."""

import numpy as np
import torch

from lenscnn import observation
from lenscnn.lensing.rendering import render_galaxies
from lenscnn.population.pearson2019 import Judge

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""

CHUNK = 512
"""Images at once: bounds the memory, changes no image."""


def galaxies(survey: dict, scene: dict, lenses: dict, device="cpu", with_lens_light=False):
    """Lensed sources and lenses of pearson2019 at unit unlensed flux, and the magnification.

    Parameters
    ----------
    survey
        ``n_pix``, ``pixel_scale``, ``seeing`` (FWHM, arcsec).
    scene
        ``supersampling`` and ``tolerance`` of `lensing.rendering.render_galaxies`.
    lenses : dict of ndarray, shape (n,)
        Columns of `population.pearson2019.COLUMNS`.
    device
        Where to compute.
    with_lens_light
        Whether the lenses' own light is wanted.

    Returns
    -------
    sources : Tensor, shape (n, 1, n_pix, n_pix)
        With the point-spread function.
    lens_light : Tensor, shape (n, 1, n_pix, n_pix), or None
        Likewise.
    magnification : Tensor, shape (n,)
        Flux on the stamp over unlensed flux.
    """

    def tensors(**columns):
        return {
            name: torch.as_tensor(np.asarray(values, np.float32), device=device)
            for name, values in columns.items()
        }

    def light_of(galaxy):
        return {name: lenses[f"{galaxy}_{name}"] for name in ("R_sersic", "n_sersic", "q", "phi")}

    return render_galaxies(
        tensors(**{k: lenses[k] for k in ("theta_E", "q", "phi", "center_x", "center_y")}),
        tensors(
            center_x=lenses["source_x"] + lenses["center_x"],
            center_y=lenses["source_y"] + lenses["center_y"],
            **light_of("source"),
        ),
        tensors(**light_of("lens")) if with_lens_light else None,
        survey["n_pix"],
        survey["pixel_scale"],
        scene["supersampling"],
        survey["seeing"] / FWHM,
        scene["tolerance"],
    )


def detector(population: dict, device="cpu") -> Judge:
    """What judges systems for `population.pearson2019.draw_lenses`.

    Signal-to-noise is equation 5 on one visit in the detection band: the flux of the pixels whose
    lensed source, without noise, exceeds one sigma of the background, over sigma sqrt(n).

    Parameters
    ----------
    population
        Spec with ``survey`` and ``scene``.
    device
        Where to compute.
    """
    survey = population["survey"]
    band = survey["detection_band"]
    sigma = observation.background(survey, band).variance ** 0.5
    zero_point = survey["bands"][band]["zero_point"]

    def judge(systems):
        n = len(systems["theta_E"])
        mu, snr = np.empty(n), np.empty(n)
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            chunk = {name: values[rows] for name, values in systems.items()}
            images, _, magnification = galaxies(survey, population["scene"], chunk, device)
            flux = observation.electrons(chunk["magnitude_source"], zero_point, survey)
            signal = images.flatten(1) * torch.as_tensor(flux[:, None]).to(images)
            bright = signal > sigma
            n_bright = bright.sum(1).clamp(min=1)
            mu[rows] = magnification.cpu()
            snr[rows] = ((signal * bright).sum(1) / (sigma * n_bright.sqrt())).cpu()
        return mu, snr

    return judge
