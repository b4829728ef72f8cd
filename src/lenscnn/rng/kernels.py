"""The random numbers of `streams` inside compiled loops, and normal ones by such a loop."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.rng.splitmix import GAMMA, MIX1, MIX2


@njit("uint64(uint64, uint64)", inline="always")
def splitmix64(key, counter):
    """Return the `counter`-th output (from 0) of SplitMix64 started at `key`."""
    z = key + (counter + np.uint64(1)) * np.uint64(GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX2)
    return z ^ (z >> np.uint64(31))


@njit("float64(uint64, uint64)", inline="always")
def uniform(key, counter):
    """Return the `counter`-th number of a stream, uniform in (0, 1), never 0 or 1."""
    return (np.float64(splitmix64(key, counter) >> np.uint64(12)) + 0.5) * 2.0**-52


@njit(inline="always")
def _minus_log(k):
    """Return -log((k + 0.5) / 2^24) for a 24-bit k in float32, by the series of artanh."""
    f = np.float32
    bits = np.float32(f(k) + f(0.5)).view(np.int32)
    # (k + 0.5) = m 2^e with m in [sqrt(1/2), sqrt(2)), whose bits begin at 0x3F3504F3.
    e = np.int32((bits - 0x3F3504F3) >> 23)
    m = np.int32(bits - (e << 23)).view(np.float32)
    s = (m - f(1)) / (m + f(1))
    s2 = s * s
    series = f(2 / 3) + s2 * (f(2 / 5) + s2 * (f(2 / 7) + s2 * f(2 / 9)))
    return f(np.log(2)) * f(np.int32(24 - e)) - (f(2) * s + s * s2 * series)


@njit(inline="always")
def _cos_sin_turn(k):
    """Return cosine and sine of (k + 0.5) / 2^24 turns, k of 24 bits, float32, Taylor series."""
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


@njit(fastmath={"contract"}, error_model="numpy")
def fill_normal(keys, numbers):
    """Fill `numbers` (B, 2 pairs) as `normal.standard_normal` describes."""
    pairs = numbers.shape[1] // 2
    for i in range(len(keys)):
        cosines, sines = numbers[i, :pairs], numbers[i, pairs:]
        for c in range(pairs):
            z = splitmix64(keys[i], np.uint64(c))
            radius = np.sqrt(np.float32(2) * _minus_log(np.int32(z >> np.uint64(40))))
            cos, sin = _cos_sin_turn(np.int32(z & np.uint64(0xFFFFFF)))
            cosines[c], sines[c] = radius * cos, radius * sin
