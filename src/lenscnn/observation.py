"""From a noise-free scene to what a network sees: noise, scaling."""

from typing import NamedTuple

import numpy as np
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


_FEW = 10.0
"""Mean below which a Poisson number is looked up, not expanded."""


def poisson(mean: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """Poisson numbers, by inverting the distribution at standard normal numbers.

    Monotonic in `normal`, so that images of nearly the same mean get nearly the same noise. From a
    mean of 10 on by the asymptotic expansion of Giles 2016 (ACM Transactions on Mathematical
    Software 42, 7), which misses the right integer by one in 0.24 % of draws at a mean of 10 and
    ever less above; below by summing the probabilities.

    Parameters
    ----------
    mean : Tensor, any shape
        Not negative.
    normal : Tensor, shape of `mean`
        Independent standard normal numbers.
    """
    many = mean.clamp(min=_FEW)
    root = many.sqrt()
    square = normal**2
    expansion = many + root * normal + (2 + square) / 6 - normal * (2 + square) / (72 * root)
    numbers = expansion.floor().clamp(min=0)
    few = mean < _FEW
    if few.any():
        low, u = mean[few].double(), torch.special.ndtr(normal[few].double())
        probability = torch.exp(-low)
        cumulative, number = probability.clone(), torch.zeros_like(low)
        for k in range(1, 60):  # 15 standard deviations and more above the mean
            number += u > cumulative
            probability = probability * low / k
            cumulative += probability
        numbers[few] = number.to(numbers)
    return numbers


def expose(rates: torch.Tensor, background: Background, reads: int, read_noise: float, keys):
    """Counts of a detector, with the mean of the background subtracted.

    Parameters
    ----------
    rates : Tensor, shape (B, C, H, W)
        Expected electrons of all galaxies in the stack of exposures.
    background
        Of a pixel in the stack.
    reads
        Readouts in the stack.
    read_noise
        Standard deviation of one readout, electrons.
    keys : Tensor of int64, shape (B,)
        The images' keys for noise (`lenscnn.seeds`).

    Returns
    -------
    Tensor, shape (B, C, H, W)
        Electrons.
    """
    read_sigma = read_noise * reads**0.5
    if rates.device.type == "cpu" and rates.dtype == torch.float32:
        from lenscnn.compiled_noise import fill_counts  # here, as Numba in `lenscnn.seeds`

        rates = rates.contiguous()
        images = torch.empty_like(rates)
        fill_counts(
            keys.numpy().view(np.uint64),
            rates.flatten(1).numpy(),
            *np.float32((background.mean, _FEW, read_sigma)),
            images.flatten(1).numpy(),
        )
        return images
    return _expose_in_torch(rates, background, read_sigma, keys)


def _expose_in_torch(rates, background, read_sigma, keys):
    n = rates.shape[1:].numel()
    normal = seeds.standard_normal(keys, 2 * n)
    counts = poisson(rates + background.mean, normal[:, :n].view(rates.shape))
    noise = normal[:, n:].view(rates.shape)
    return torch.add(counts - background.mean, noise, alpha=read_sigma)


def normalise(images: torch.Tensor, each: str) -> torch.Tensor:
    """Scale images to [0, 1] by their own minimum and maximum; what is constant becomes zero.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    each
        Whose extremes: "image", over all its bands, which keeps its colours, or "band".
    """
    axes = {"image": (1, 2, 3), "band": (2, 3)}[each]
    low = images.amin(axes, keepdim=True)
    span = images.amax(axes, keepdim=True) - low
    return (images - low).div_(torch.where(span > 0, span, torch.ones_like(span)))
