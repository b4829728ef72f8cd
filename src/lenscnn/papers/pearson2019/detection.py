"""Detection criteria: magnification and signal-to-noise of lensed sources."""

import math

import numpy as np
import torch

from lenscnn.instrument.survey import background, electrons
from lenscnn.papers.pearson2019.population import DetectionTest
from lenscnn.papers.pearson2019.scene import render_scene
from lenscnn.papers.pearson2019.systems import detection_bands

CHUNK = 512
"""Stamps at once: bounds the memory, changes no image."""

COARSER, ROUGH = 2, 1e-2
"""Pixels of a first look, in pixels of the survey, and its tolerance (benchmarks/README.md says
what that saves and misses)."""

MARGIN = 1.5
"""More than a first look falls short by: of 40,000 detected systems, of both surveys and two
readings, it missed at most a quarter of the signal-to-noise and a fifth of the magnification."""


def make_detection_test(population: dict, device="cpu") -> DetectionTest:
    """Make the test of systems for `population.draw_lenses`.

    Signal-to-noise is equation 5 on one visit, in the best of the detection bands: the flux of n
    pixels, without noise, over sigma sqrt(n). Most systems fail by far, which a rough image shows;
    only the others are drawn with the tolerance of the scene, so what is said of those that fail
    may be rough.

    Parameters
    ----------
    population
        Spec with ``survey``, ``scene`` and ``criteria``: ``mu``, ``snr``; ``any_band``, whether
        the best of all bands is meant or the detection band; ``pixels``, those whose lensed source
        exceeds one sigma of the background ("bright") or "all"; ``field``, side of the image that
        is rendered, in stamps.
    device
        Where to compute.
    """
    survey, criteria, scene = (population[name] for name in ("survey", "criteria", "scene"))
    field = survey | {"n_pix": criteria["field"] * survey["n_pix"]}
    step = max(1, CHUNK // criteria["field"] ** 2)
    bands = {
        band: (
            survey["bands"][band]["zero_point"],
            background(survey, band).variance ** 0.5,
        )
        for band in detection_bands(population)
    }

    def measure(systems, scene, coarser=1):
        n = len(systems["theta_E"])
        mu, snr = np.empty(n), np.zeros(n)
        n_pix = -(-field["n_pix"] // coarser)
        side = field["n_pix"] / n_pix  # of a pixel rendered, in pixels of the survey
        camera = field | {"n_pix": n_pix, "pixel_scale": side * field["pixel_scale"]}
        for start in range(0, n, step):
            rows = slice(start, start + step)
            chunk = {name: values[rows] for name, values in systems.items()}
            images, _, magnification = render_scene(camera, scene, chunk, device)
            mu[rows] = magnification.cpu()
            for band, (zero_point, sigma) in bands.items():
                flux = electrons(chunk[f"magnitude_source_{band}"], zero_point, survey)
                signal = images.flatten(1) * torch.as_tensor(flux[:, None]).to(images)
                threshold = sigma * side**2 if criteria["pixels"] == "bright" else -math.inf
                counted = signal > threshold
                n_counted = torch.count_nonzero(counted, 1).clamp(min=1)
                in_band = (signal * counted).sum(1) / (sigma * side * n_counted.sqrt())
                snr[rows] = np.maximum(snr[rows], in_band.numpy(force=True))
        return mu, snr

    def test(systems):
        rough = scene | {"tolerance": max(ROUGH, scene["tolerance"])}
        mu, snr = measure(systems, rough, COARSER)
        near = (MARGIN * mu > criteria["mu"]) & (MARGIN * snr > criteria["snr"])
        mu[near], snr[near] = measure({k: v[near] for k, v in systems.items()}, scene)
        return mu, snr

    return test
