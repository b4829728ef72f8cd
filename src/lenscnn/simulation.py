"""From rows of a catalogue to images: population, lensing and observation put together."""

import numpy as np
import torch

from lenscnn import observation, seeds
from lenscnn.lensing.rendering import render
from lenscnn.population import scutt


def scene(population: dict, view: dict, lenses: dict, device="cpu", dtype=torch.float32):
    """Noise-free images of catalogued lenses.

    Parameters
    ----------
    population
        Spec the catalogue was drawn from (`lenscnn.population.scutt`).
    view
        ``n_pix``, ``pixel_scale`` (arcsec), ``psf_sigma`` (arcsec), ``supersampling``,
        ``source_sigma`` (arcsec).
    lenses : dict of ndarray, shape (n,)
        Rows of the catalogue.
    device, dtype
        Where and how finely to compute.

    Returns
    -------
    Tensor, shape (n, 1, n_pix, n_pix)
        In units of the source's peak surface brightness.
    """

    def tensor(values, dtype=dtype):
        return torch.as_tensor(np.ascontiguousarray(values), dtype=dtype, device=device)

    _, x, y, theta_E, bounds = scutt.draw_subhaloes(population, lenses)
    n = len(lenses["N"])
    return render(
        {name: tensor(lenses[name]) for name in ("theta_E", "q", "phi", "center_x", "center_y")},
        (tensor(bounds, torch.int64), tensor(x), tensor(y), tensor(theta_E)),
        {
            "sigma": tensor(np.full(n, view["source_sigma"])),
            "center_x": tensor(np.zeros(n)),
            "center_y": tensor(np.zeros(n)),
        },
        view["n_pix"],
        view["pixel_scale"],
        view["supersampling"],
        view["psf_sigma"],
    )


def simulate(population: dict, view: dict, lenses: dict, device="cpu", dtype=torch.float32):
    """Noisy images of catalogued lenses, as `scene` with noise of ``view["noise"]`` added.

    Returns
    -------
    Tensor, shape (n, 1, n_pix, n_pix)
        In units of the source's peak surface brightness.
    """
    images = scene(population, view, lenses, device, dtype)
    keys = np.empty(len(images), np.uint64)
    for subset in np.unique(lenses["subset"]):
        rows = lenses["subset"] == subset
        stream = seeds.stream_key(population["seed"], population["draw"], str(subset), "noise")
        keys[rows] = seeds.image_keys(stream, lenses["index"][rows])
    sigma = observation.noise_sigma(images, **view["noise"])
    return observation.add_noise(images, sigma, torch.as_tensor(keys.view(np.int64)).to(device))
