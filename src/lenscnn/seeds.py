"""Random numbers that depend on (seed, data set, split, image index, purpose) and nothing else.

Every image has a 64-bit key per purpose, and the k-th number of that purpose is a hash of
(key, k): there is no state to carry, so shards, batches, cores and devices cannot change a draw.
The hash is SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", OOPSLA '14), which reaches its k-th output directly. It is here rather than a
library's generator because the same number must come out of a compiled CPU loop (subhaloes are
drawn until a mass budget is spent) and out of a tensor expression on any device (pixel noise).
"""

import hashlib

import numba
import numpy as np

_GAMMA = 0x9E3779B97F4A7C15
_MIX1 = 0xBF58476D1CE4E5B9
_MIX2 = 0x94D049BB133111EB


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
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX2)
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
    return _mix(np.uint64(stream) ^ _mix((index + np.uint64(1)) * np.uint64(_GAMMA)))


@numba.njit("uint64(uint64, uint64)", cache=True, inline="always")
def splitmix64(key, counter):
    """The `counter`-th output (from 0) of SplitMix64 started at `key`."""
    z = key + (counter + np.uint64(1)) * np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX2)
    return z ^ (z >> np.uint64(31))


@numba.njit("float64(uint64, uint64)", cache=True, inline="always")
def uniform(key, counter):
    """The `counter`-th number of a stream, uniform in (0, 1), never 0 or 1."""
    return (np.float64(splitmix64(key, counter) >> np.uint64(12)) + 0.5) * 2.0**-52


def uniforms_of(keys: np.ndarray, counter: np.ndarray | int) -> np.ndarray:
    """The `counter`-th uniform of each key, as `uniform` gives it, of many at once.

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
        z = _mix(keys + counter * np.uint64(_GAMMA))
    return ((z >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniforms(stream: int, index: np.ndarray, counter: int) -> np.ndarray:
    """The `counter`-th uniform of each image of a stream: float64, shape (n,)."""
    return uniforms_of(image_keys(stream, index), counter)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(z, bits: int):
    # torch has no unsigned 64-bit arithmetic: clear the sign bits an arithmetic shift brings in.
    return (z >> bits) & ((1 << (64 - bits)) - 1)


@numba.njit(cache=True, inline="always")
def _minus_log(k):
    """-log((k + 0.5) / 2^24) for a 24-bit k in float32, by the series of artanh."""
    f = np.float32
    bits = np.float32(f(k) + f(0.5)).view(np.int32)
    # (k + 0.5) = m 2^e with m in [sqrt(1/2), sqrt(2)), whose bits begin at 0x3F3504F3.
    e = np.int32((bits - 0x3F3504F3) >> 23)
    m = np.int32(bits - (e << 23)).view(np.float32)
    s = (m - f(1)) / (m + f(1))
    s2 = s * s
    series = f(2 / 3) + s2 * (f(2 / 5) + s2 * (f(2 / 7) + s2 * f(2 / 9)))
    return f(np.log(2)) * f(np.int32(24 - e)) - (f(2) * s + s * s2 * series)


@numba.njit(cache=True, inline="always")
def _cos_sin_turn(k):
    """Cosine and sine of (k + 0.5) / 2^24 turns for a 24-bit k in float32, by Taylor series."""
    f = np.float32
    quarter = k >> 22
    # Angle from the middle of its quarter turn, at most pi / 4.
    x = (f(np.int32((k & 0x3FFFFF) - 0x200000)) + f(0.5)) * f(np.pi / 2 * 2.0**-22)
    x2 = x * x
    sin = x * (
        f(1) + x2 * (f(-1 / 6) + x2 * (f(1 / 120) + x2 * (f(-1 / 5040) + x2 * f(1 / 362880))))
    )
    cos = f(1) + x2 * (f(-1 / 2) + x2 * (f(1 / 24) + x2 * (f(-1 / 720) + x2 * f(1 / 40320))))
    a, b = (cos - sin) * f(0.5**0.5), (cos + sin) * f(0.5**0.5)  # turned by pi / 4
    if quarter & 1:
        a, b = -b, a
    if quarter & 2:
        a, b = -a, -b
    return a, b


@numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _fill_normal(keys, numbers):
    """Fill `numbers` (B, 2 pairs) as `standard_normal` describes."""
    pairs = numbers.shape[1] // 2
    for i in range(len(keys)):
        cosines, sines = numbers[i, :pairs], numbers[i, pairs:]
        for c in range(pairs):
            z = splitmix64(keys[i], np.uint64(c))
            radius = np.sqrt(np.float32(2) * _minus_log(np.int32(z >> np.uint64(40))))
            cos, sin = _cos_sin_turn(np.int32(z & np.uint64(0xFFFFFF)))
            cosines[c], sines[c] = radius * cos, radius * sin


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
        numbers = torch.empty((len(keys), 2 * pairs), dtype=torch.float32)
        _fill_normal(keys.numpy().view(np.uint64), numbers.numpy())
        return numbers[:, :n]
    return _normal_in_torch(keys, pairs)[:, :n]


def _normal_in_torch(keys, pairs: int):
    import torch

    counter = torch.arange(1, pairs + 1, device=keys.device, dtype=torch.int64)
    z = keys[:, None] + counter * _signed(_GAMMA)  # (B, pairs)
    z = (z ^ _shift_right(z, 30)) * _signed(_MIX1)
    z = (z ^ _shift_right(z, 27)) * _signed(_MIX2)
    z = z ^ _shift_right(z, 31)
    radius = torch.sqrt(-2 * torch.log((_shift_right(z, 40).float() + 0.5) * 2.0**-24))
    angle = ((z & 0xFFFFFF).float() + 0.5) * (2 * torch.pi * 2.0**-24)
    return torch.cat((radius * torch.cos(angle), radius * torch.sin(angle)), dim=1)
