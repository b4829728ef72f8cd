"""Random numbers that depend on (seed, data set, split, image index, purpose) and nothing else.

Every image has a 64-bit key per purpose, and the k-th number of that purpose is a hash of
(key, k): there is no state to carry, so shards, batches, cores and devices cannot change a draw.
The hash is SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", OOPSLA '14), which reaches its k-th output directly. It is here rather than a
library's generator because the same number must come out of a compiled CPU loop (subhaloes are
drawn until a mass budget is spent) and out of a tensor expression on any device (pixel noise).
"""

import hashlib

import numpy as np

from lenscnn.rng.splitmix import GAMMA, mix


def stream_key(seed: int, dataset: str, split: str, purpose: str) -> int:
    """Return the 64-bit key of one stream of random numbers.

    Parameters
    ----------
    seed
        The run's seed, from the config.
    dataset, split
        Which data set, and which part of it.
    purpose
        What the numbers are for ("geometry", "mass", "noise", ...).
    """
    text = "\x1f".join((str(int(seed)), dataset, split, purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def image_keys(stream: int, index: np.ndarray) -> np.ndarray:
    """Return the key of each image within a stream.

    Parameters
    ----------
    stream
        From `stream_key`.
    index : ndarray of int, shape (n,)
        Image indices within the split.

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    index = np.asarray(index).astype(np.uint64)
    return mix(np.uint64(stream) ^ mix((index + np.uint64(1)) * np.uint64(GAMMA)))


def uniforms_of(keys: np.ndarray, counter: np.ndarray | int) -> np.ndarray:
    """Return the `counter`-th uniform of each key, as `kernels.uniform` gives it.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
    counter : int, or ndarray of int, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    counter = np.asarray(counter).astype(np.uint64) + np.uint64(1)
    with np.errstate(over="ignore"):
        z = mix(keys + counter * np.uint64(GAMMA))
    return ((z >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniforms(stream: int, index: np.ndarray, counter: int) -> np.ndarray:
    """Return the `counter`-th uniform of each image of a stream: float64, shape (n,)."""
    return uniforms_of(image_keys(stream, index), counter)
