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

GAMMA = 0x9E3779B97F4A7C15
MIX1 = 0xBF58476D1CE4E5B9
MIX2 = 0x94D049BB133111EB


def stream_key(seed: int, dataset: str, split: str, purpose: str) -> int:
    """64-bit key of one stream of random numbers.

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


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX2)
    return z ^ (z >> np.uint64(31))


def image_keys(stream: int, index: np.ndarray) -> np.ndarray:
    """Key of each image within a stream.

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
    return _mix(np.uint64(stream) ^ _mix((index + np.uint64(1)) * np.uint64(GAMMA)))


def uniforms_of(keys: np.ndarray, counter: np.ndarray | int) -> np.ndarray:
    """The `counter`-th uniform of each key, as `compiled_seeds.uniform` gives it, of many at once.

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
        z = _mix(keys + counter * np.uint64(GAMMA))
    return ((z >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniforms(stream: int, index: np.ndarray, counter: int) -> np.ndarray:
    """The `counter`-th uniform of each image of a stream: float64, shape (n,)."""
    return uniforms_of(image_keys(stream, index), counter)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(z, bits: int):
    # torch has no unsigned 64-bit arithmetic: clear the sign bits an arithmetic shift brings in.
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def standard_normal(keys, n: int):
    """Independent standard normal numbers for each image, on the device of `keys`.

    Box-Muller on the two 24-bit halves of one hash, in float32: the grid reaches 5.9 sigma, far
    past what a stamp of some thousand pixels shows.

    Parameters
    ----------
    keys : Tensor of int64, shape (B,)
        Image keys (the bits of `image_keys`).
    n
        Numbers wanted for each image.

    Returns
    -------
    Tensor of float32, shape (B, n)
    """
    import torch

    pairs = (n + 1) // 2
    if keys.device.type == "cpu":
        # Here, for trainings and predictions draw none and Numba takes half a second to import.
        from lenscnn.compiled_seeds import fill_normal

        numbers = torch.empty((len(keys), 2 * pairs), dtype=torch.float32)
        fill_normal(keys.numpy().view(np.uint64), numbers.numpy())
        return numbers[:, :n]
    return _normal_in_torch(keys, pairs)[:, :n]


def _normal_in_torch(keys, pairs: int):
    import torch

    counter = torch.arange(1, pairs + 1, device=keys.device, dtype=torch.int64)
    z = keys[:, None] + counter * _signed(GAMMA)  # (B, pairs)
    z = (z ^ _shift_right(z, 30)) * _signed(MIX1)
    z = (z ^ _shift_right(z, 27)) * _signed(MIX2)
    z = z ^ _shift_right(z, 31)
    radius = torch.sqrt(-2 * torch.log((_shift_right(z, 40).float() + 0.5) * 2.0**-24))
    angle = ((z & 0xFFFFFF).float() + 0.5) * (2 * torch.pi * 2.0**-24)
    return torch.cat((radius * torch.cos(angle), radius * torch.sin(angle)), dim=1)
