"""`noise.add_detector_noise` as a compiled loop: the same numbers in one pass over the pixels."""

import math

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.rng.kernels import fill_normal


@njit(error_model="numpy")
def fill_counts(keys, rates, background, few, read_sigma, images):
    """Fill `images` (B, n) with counts less the mean background; all numbers are float32.

    `keys` are the images' (uint64), `rates` (B, n) the expected electrons of galaxies,
    `background` the mean electrons of a pixel without them, `few` the mean below which the
    probabilities of a Poisson number are summed, `read_sigma` the read noise of the stack.
    """
    f = np.float32
    n = rates.shape[1]
    numbers, mean = np.empty((1, 2 * n), f), np.empty(n, f)
    normal, read = numbers[0, :n], numbers[0, n:]
    for i in range(len(keys)):
        fill_normal(keys[i : i + 1], numbers)
        n_few = 0
        for k in range(n):
            mean[k] = rates[i, k] + background
            n_few += mean[k] < few
            many = few if mean[k] < few else mean[k]
            root, square = np.sqrt(many), normal[k] * normal[k]
            expansion = many + root * normal[k] + (f(2) + square) / f(6)
            expansion -= normal[k] * (f(2) + square) / (f(72) * root)
            number = np.floor(expansion)
            images[i, k] = f(0) if number < f(0) else number
        for k in range(n if n_few else 0):
            if mean[k] < few:
                images[i, k] = _by_sum(np.float64(mean[k]), np.float64(normal[k]))
        for k in range(n):
            images[i, k] = images[i, k] - background + read_sigma * read[k]


@njit(error_model="numpy")
def _by_sum(mean, normal):
    """Return the Poisson number of a small mean at a normal number, summing probabilities."""
    u = 0.5 * math.erfc(-normal / math.sqrt(2))
    probability = cumulative = math.exp(-mean)
    number = 0
    while u > cumulative and number < 59:  # 15 standard deviations and more above the mean
        number += 1
        probability *= mean / number
        cumulative += probability
    return number
