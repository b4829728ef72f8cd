"""From rows of a catalogue to images: population, lensing and observation put together."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from lenscnn.instrument.noise import add_noise, noise_sigma
from lenscnn.lensing.gaussian_sources import render
from lenscnn.papers.scutt import population as scutt
from lenscnn.rng.streams import image_keys, stream_key

CHUNK = {"cpu": 512, "cuda": 4096}
"""Images drawn at once: bounds the memory, changes no image."""


def scene(
    population: dict, view: dict, lenses: dict, device: str | torch.device = "cpu",
    dtype=torch.float32, subhaloes=None,
):  # fmt: skip
    """Render noise-free images of catalogued lenses.

    Parameters
    ----------
    population
        Spec the catalogue was drawn from (`population`).
    view
        ``n_pix``, ``pixel_scale`` (arcsec), ``psf_sigma`` (arcsec), ``supersampling``,
        ``source_sigma`` (arcsec).
    lenses : dict of ndarray, shape (n,)
        Rows of the catalogue.
    device, dtype
        Where and how finely to compute.
    subhaloes
        What `population.draw_subhaloes` gave for these lenses; None to draw them here.

    Returns
    -------
    Tensor, shape (n, 1, n_pix, n_pix)
        In units of the source's peak surface brightness.
    """

    def tensor(values, dtype=dtype):
        return torch.as_tensor(np.ascontiguousarray(values), dtype=dtype, device=device)

    _, x, y, theta_E, bounds = subhaloes or scutt.draw_subhaloes(population, lenses)
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


def simulate(
    population: dict, view: dict, lenses: dict, device: str | torch.device = "cpu",
    dtype=torch.float32, subhaloes=None,
):  # fmt: skip
    """Simulate noisy images of catalogued lenses: `scene` with noise of ``view["noise"]``.

    Returns
    -------
    Tensor, shape (n, 1, n_pix, n_pix)
        In units of the source's peak surface brightness.
    """
    images = scene(population, view, lenses, device, dtype, subhaloes)
    keys = np.empty(len(images), np.uint64)
    for subset in np.unique(lenses["subset"]):
        rows = lenses["subset"] == subset
        stream = stream_key(population["seed"], population["draw"], str(subset), "noise")
        keys[rows] = image_keys(stream, lenses["index"][rows])
    sigma = noise_sigma(images, **view["noise"])
    return add_noise(images, sigma, torch.as_tensor(keys.view(np.int64)).to(device))


def simulate_in_chunks(
    population: dict, view: dict, lenses: dict, device: torch.device
) -> Iterator[np.ndarray]:
    """Yield the images of `simulate`, `CHUNK` at a time, from any number of lenses.

    Subhaloes of chunks to come are drawn meanwhile in as many threads as torch would use on a CPU,
    or, if that is one, in turn with the images.

    Yields
    ------
    ndarray of float32, shape (b, 1, n_pix, n_pix)
    """
    n, size = len(lenses["N"]), CHUNK[device.type]
    chunks = [
        {name: values[start : start + size] for name, values in lenses.items()}
        for start in range(0, n, size)
    ]
    drawn = _ahead(
        lambda chunk: scutt.draw_subhaloes(population, chunk), chunks, torch.get_num_threads()
    )
    for chunk, subhaloes in zip(chunks, drawn, strict=True):
        images = simulate(population, view, chunk, device, subhaloes=subhaloes)
        yield images.cpu().numpy()


def _ahead(function: Callable, arguments: Iterable, n_threads: int) -> Iterator:
    """Map with as many results ahead of the one that is asked for as there are threads."""
    if n_threads == 1:
        yield from map(function, arguments)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        results = deque()
        for argument in arguments:
            results.append(pool.submit(function, argument))
            if len(results) > n_threads:
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
