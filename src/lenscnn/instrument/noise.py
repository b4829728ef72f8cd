"""Noise of a detector: Gaussian for a given signal-to-noise ratio, or photons and read-out."""

import numpy as np
import torch

from lenscnn.instrument.survey import Background
from lenscnn.rng.normal import standard_normal


def noise_sigma(images: torch.Tensor, definition: str, snr: float, peak_fraction: float):
    """Return the sigma of the pixel noise that gives an image its signal-to-noise ratio.

    Papers that print "a fixed signal-to-noise ratio" and no definition may mean any of these.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
        Noise-free images.
    definition
        ``integrated``: flux of the stamp over its noise, S / (sigma sqrt(n_pix))
        (arXiv:1904.06199, equation 5); ``integrated_bright``: the same over pixels above half the
        peak; ``peak``: peak pixel over sigma; ``peak_fraction``: sigma is `peak_fraction` of the
        peak.
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
        The images' keys for noise (`lenscnn.rng.streams`).
    """
    noise = standard_normal(keys, images[0].numel()).view(images.shape)
    return torch.addcmul(images, sigma[:, None, None, None], noise)


POISSON_EXACT_BELOW = 10.0
"""Mean below which a Poisson number is looked up, not expanded."""


def poisson(mean: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """Return Poisson numbers, by inverting the distribution at standard normal numbers.

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
    many = mean.clamp(min=POISSON_EXACT_BELOW)
    root = many.sqrt()
    square = normal**2
    expansion = many + root * normal + (2 + square) / 6 - normal * (2 + square) / (72 * root)
    numbers = expansion.floor().clamp(min=0)
    few = mean < POISSON_EXACT_BELOW
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


def add_detector_noise(
    rates: torch.Tensor, background: Background, reads: int, read_noise: float, keys
):
    """Return the counts of a detector, with the mean of the background subtracted.

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
        The images' keys for noise (`lenscnn.rng.streams`).

    Returns
    -------
    Tensor, shape (B, C, H, W)
        Electrons.
    """
    read_sigma = read_noise * reads**0.5
    if rates.device.type == "cpu" and rates.dtype == torch.float32:
        # Here and not above, as in `lenscnn.rng.normal`: Numba takes half a second to import.
        from lenscnn.instrument.noise_kernels import fill_counts

        rates = rates.contiguous()
        images = torch.empty_like(rates)
        mean, few, sigma = np.array((background.mean, POISSON_EXACT_BELOW, read_sigma), np.float32)
        fill_counts(
            keys.numpy().view(np.uint64), rates.flatten(1).numpy(), mean, few, sigma,
            images.flatten(1).numpy(),
        )  # fmt: skip
        return images
    return add_detector_noise_in_torch(rates, background, read_sigma, keys)


def add_detector_noise_in_torch(rates, background, read_sigma, keys):
    """Return the counts of `add_detector_noise`, by tensor operations on any device."""
    n = rates.shape[1:].numel()
    normal = standard_normal(keys, 2 * n)
    counts = poisson(rates + background.mean, normal[:, :n].view(rates.shape))
    noise = normal[:, n:].view(rates.shape)
    return torch.add(counts - background.mean, noise, alpha=read_sigma)
