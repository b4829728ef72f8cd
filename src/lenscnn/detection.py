"""Would the survey see it? Magnification and signal-to-noise of lensed sources."""

import math

import numpy as np
import torch

from lenscnn import observation
from lenscnn.lensing.rendering import render_galaxies
from lenscnn.population.pearson2019 import Judge, judged_bands

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""

CHUNK = 512
"""Stamps at once: bounds the memory, changes no image."""

COARSER, ROUGH = 2, 1e-2
"""Pixels of a first look, in pixels of the survey, and its tolerance (benchmarks/README.md says
what that saves and misses)."""

MARGIN = 1.5
"""More than a first look falls short by: of 40,000 detected systems, of both surveys and two
readings, it missed at most a quarter of the signal-to-noise and a fifth of the magnification."""


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

    Signal-to-noise is equation 5 on one visit, in the best of the bands judged: the flux of n
    pixels, without noise, over sigma sqrt(n). Most systems fail by far, which a rough image shows;
    only the others are drawn with the tolerance of the scene, so what is said of those that fail
    may be rough.

    Parameters
    ----------
    population
        Spec with ``survey``, ``scene`` and ``criteria``: ``mu``, ``snr``; ``any_band``, whether
        the best of all bands is meant or the detection band; ``pixels``, those whose lensed source
        exceeds one sigma of the background ("bright") or "all"; ``field``, side of the image that
        is looked at, in stamps.
    device
        Where to compute.
    """
    survey, criteria, scene = (population[name] for name in ("survey", "criteria", "scene"))
    field = survey | {"n_pix": criteria["field"] * survey["n_pix"]}
    step = max(1, CHUNK // criteria["field"] ** 2)
    bands = {
        band: (
            survey["bands"][band]["zero_point"],
            observation.background(survey, band).variance ** 0.5,
        )
        for band in judged_bands(population)
    }

    def measure(systems, scene, coarser=1):
        n = len(systems["theta_E"])
        mu, snr = np.empty(n), np.zeros(n)
        n_pix = -(-field["n_pix"] // coarser)
        side = field["n_pix"] / n_pix  # of a pixel looked at, in pixels of the survey
        camera = field | {"n_pix": n_pix, "pixel_scale": side * field["pixel_scale"]}
        for start in range(0, n, step):
            rows = slice(start, start + step)
            chunk = {name: values[rows] for name, values in systems.items()}
            images, _, magnification = galaxies(camera, scene, chunk, device)
            mu[rows] = magnification.cpu()
            for band, (zero_point, sigma) in bands.items():
                flux = observation.electrons(chunk[f"magnitude_source_{band}"], zero_point, survey)
                signal = images.flatten(1) * torch.as_tensor(flux[:, None]).to(images)
                threshold = sigma * side**2 if criteria["pixels"] == "bright" else -math.inf
                counted = signal > threshold
                n_counted = torch.count_nonzero(counted, 1).clamp(min=1)
                in_band = (signal * counted).sum(1) / (sigma * side * n_counted.sqrt())
                snr[rows] = np.maximum(snr[rows], in_band.numpy(force=True))
        return mu, snr

    def judge(systems):
        rough = scene | {"tolerance": max(ROUGH, scene["tolerance"])}
        mu, snr = measure(systems, rough, COARSER)
        near = (MARGIN * mu > criteria["mu"]) & (MARGIN * snr > criteria["snr"])
        mu[near], snr[near] = measure({k: v[near] for k, v in systems.items()}, scene)
        return mu, snr

    return judge
