"""From rows of a catalogue of pearson2019 to images, as a survey takes them."""

from collections.abc import Iterator

import numpy as np
import torch

from lenscnn.instrument import survey as observation
from lenscnn.instrument.noise import add_detector_noise
from lenscnn.papers.pearson2019.lens_light_fit import fit_sersic
from lenscnn.papers.pearson2019.scene import render_scene
from lenscnn.rng.streams import image_keys, stream_key

LENS_LIGHT = ("kept", "removed", "fitted")
"""What becomes of the lens light: nothing; the true one is subtracted, its shot noise stays; a
Sersic profile fitted to the noisy image is subtracted."""

CHUNK = 512
"""Images taken at once: bounds the memory, changes no image."""


def images_in_chunks(
    population: dict, split: str, view: dict, lenses: dict, device="cpu"
) -> Iterator[np.ndarray]:
    """Yield the images of `images_of`, `CHUNK` at a time, from any number of lenses.

    Yields
    ------
    ndarray of float32, shape (b, n_bands, n_pix, n_pix)
    """
    for start in range(0, len(lenses["index"]), CHUNK):
        chunk = {name: values[start : start + CHUNK] for name, values in lenses.items()}
        yield images_of(population, split, view, chunk, device).cpu().numpy()


def images_of(population: dict, split: str, view: dict, lenses: dict, device="cpu"):
    """Return the images of lenses of a catalogue in one or more bands.

    Views of the same lenses are paired: mass, sources and, for the same band and number of visits,
    the random numbers behind the noise are the same, so that an image with the lens light removed
    is the one with it kept less the lens light.

    Parameters
    ----------
    population, split
        As the catalogue was drawn.
    view
        ``bands``; ``visits``, exposures stacked; ``lens_light``, one of `LENS_LIGHT`.
    lenses : dict of ndarray, shape (n,)
        Rows of the catalogue, as drawn or `systems.realigned`.
    device
        Where to compute.

    Returns
    -------
    Tensor of float32, shape (n, n_bands, n_pix, n_pix)
        Electrons, the mean background subtracted.

    Raises
    ------
    ValueError
        If ``lens_light`` is unknown, the survey has no such band, or the catalogue no magnitudes
        in it.
    """
    survey, visits = population["survey"], view["visits"]
    if view["lens_light"] not in LENS_LIGHT:
        raise ValueError(
            f"lens_light {view['lens_light']!r} is unknown; it may be {', '.join(LENS_LIGHT)}"
        )
    for band in view["bands"]:
        if band not in survey["bands"]:
            raise ValueError(
                f"survey {survey['name']} has no band {band!r}; it has {', '.join(survey['bands'])}"
            )
        if not {f"magnitude_source_{band}", f"magnitude_lens_{band}"} <= lenses.keys():
            raise ValueError(
                f"the catalogue has no magnitudes in band {band!r}: it was drawn by an older "
                "version; delete it and draw again"
            )
    sources, lens_light, _ = render_scene(
        survey, population["scene"], lenses, device, with_lens_light=True
    )
    images = []
    for band in view["bands"]:
        zero_point = survey["bands"][band]["zero_point"]

        def electrons(galaxy, band=band, zero_point=zero_point):
            flux = observation.electrons(
                lenses[f"magnitude_{galaxy}_{band}"], zero_point, survey, visits
            )
            return torch.as_tensor(flux, device=device).to(sources)[:, None, None, None]

        lens = electrons("lens") * lens_light
        background = observation.background(survey, band, visits)
        stream = stream_key(population["seed"], population["draw"], split, f"noise {band} {visits}")
        keys = image_keys(stream, lenses["index"]).view(np.int64)
        image = add_detector_noise(
            electrons("source") * sources + lens,
            background,
            visits * survey["reads"],
            survey["read_noise"],
            torch.as_tensor(keys).to(device),
        )
        if view["lens_light"] == "removed":
            image -= lens
        elif view["lens_light"] == "fitted":
            model, _ = fit_sersic(image, background.variance, survey, population["scene"])
            image -= model
        images.append(image)
    return torch.cat(images, dim=1)
