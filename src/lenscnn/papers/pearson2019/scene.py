"""Lensed sources and lenses of a catalogue of pearson2019, without noise."""

from typing import Any

import numpy as np
import torch

from lenscnn.instrument.survey import FWHM
from lenscnn.lensing.sersic_galaxies import render_galaxies


def render_scene(
    survey: dict, scene: dict, lenses: dict, device="cpu", with_lens_light=False
) -> tuple[torch.Tensor, torch.Tensor | Any, torch.Tensor]:
    """Render lensed sources and lenses at unit unlensed flux, and measure the magnification.

    Parameters
    ----------
    survey
        ``n_pix``, ``pixel_scale``, ``seeing`` (FWHM, arcsec).
    scene
        ``supersampling`` and ``tolerance`` of `lensing.sersic_galaxies.render_galaxies`.
    lenses : dict of ndarray, shape (n,)
        Columns of `population.COLUMNS`.
    device
        Where to compute.
    with_lens_light
        Whether the lenses' own light is wanted.

    Returns
    -------
    sources : Tensor, shape (n, 1, n_pix, n_pix)
        With the point-spread function.
    lens_light : Tensor, shape (n, 1, n_pix, n_pix), or None if it is not wanted
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
