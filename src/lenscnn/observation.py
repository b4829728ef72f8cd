"""From a noise-free scene to what a network sees: noise at a set signal-to-noise, scaling."""

from typing import NamedTuple

import torch

from lenscnn import seeds


class Background(NamedTuple):
    """What a pixel holds without a galaxy in it: mean (electrons) and variance (electrons^2)."""

    mean: float
    variance: float


def electrons(magnitude, zero_point: float, survey: dict, visits: int = 1):
    """Electrons that a source of this magnitude leaves in `visits` exposures.

    Parameters
    ----------
    magnitude : array
        AB magnitude.
    zero_point
        AB magnitude of one electron a second.
    survey
        ``exposure``: seconds of one visit.
    visits
        Exposures stacked.
    """
    return 10 ** (-0.4 * (magnitude - zero_point)) * survey["exposure"] * visits


def background(survey: dict, band: str, visits: int = 1) -> Background:
    """Sky, dark current and read noise of a pixel in a stack of exposures.

    Parameters
    ----------
    survey
        ``exposure`` (s), ``pixel_scale`` (arcsec), ``dark_current`` (electrons/pixel/s),
        ``reads`` and ``read_noise`` (electrons) of one visit, ``bands`` with ``zero_point`` (AB)
        and ``sky`` (AB magnitude per square arcsec).
    band
        Name of one of the bands.
    visits
        Exposures stacked.
    """
    optics = survey["bands"][band]
    sky = electrons(optics["sky"], optics["zero_point"], survey) * survey["pixel_scale"] ** 2
    mean = visits * (sky + survey["dark_current"] * survey["exposure"])
    return Background(mean, mean + visits * survey["reads"] * survey["read_noise"] ** 2)


def noise_sigma(images: torch.Tensor, definition: str, snr: float, peak_fraction: float):
    """Standard deviation of the pixel noise that gives an image its signal-to-noise ratio.

    scutt prints "a fixed signal-to-noise ratio of 300" and no definition; these are the readings.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
        Noise-free images.
    definition
        ``integrated``: flux of the stamp over its noise, S / (sigma sqrt(n_pix)) (pearson2019
        equation 5, the only definition either paper prints); ``integrated_bright``: the same over
        pixels above half the peak; ``peak``: peak pixel over sigma; ``peak_fraction``: sigma is
        `peak_fraction` of the peak, which is what scutt's published code amounts to.
    snr
        The ratio, for the first three.
    peak_fraction
        sigma over peak, for the last.

    Returns
    -------
    Tensor, shape (B,)
        In the images' unit.

    Raises
    ------
    ValueError
        If the definition is unknown.
    """
    flat = images.flatten(1)
    peak = flat.amax(1)
    if definition == "integrated":
        return flat.sum(1) / (snr * flat.shape[1] ** 0.5)
    if definition == "integrated_bright":
        bright = flat > 0.5 * peak[:, None]
        return (flat * bright).sum(1) / (snr * bright.sum(1).sqrt())
    if definition == "peak":
        return peak / snr
    if definition == "peak_fraction":
        return peak * peak_fraction
    raise ValueError(f"noise definition {definition!r} is unknown")


def add_noise(images: torch.Tensor, sigma: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Add Gaussian noise, independent in each pixel.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    sigma : Tensor, shape (B,)
        Standard deviation, in the images' unit.
    keys : Tensor of int64, shape (B,)
        The images' keys for noise (`lenscnn.seeds`).
    """
    noise = seeds.standard_normal(keys, images[0].numel()).view(images.shape)
    return torch.addcmul(images, sigma[:, None, None, None], noise)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Scale each image to [0, 1] by its own minimum and maximum; images (B, C, H, W).

    A constant image becomes all zeros.
    """
    low = images.amin((1, 2, 3), keepdim=True)
    span = images.amax((1, 2, 3), keepdim=True) - low
    return (images - low).div_(torch.where(span > 0, span, torch.ones_like(span)))
