"""Logarithm and exponential in float32, for compiled loops that run in vectors."""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.lensing.kernels.threads import OPTIONS

# Added to r^2 (arcsec^2), in place of a branch for a point exactly on a lens's centre.
SOFTENING = 1e-30

LN2 = float(np.log(2))


@njit(**OPTIONS)
def log2(x):
    """Return the logarithm of a positive, normal float32, good to 1e-7."""
    one = np.float32(1)
    bits = np.float32(x).view(np.int32)
    # x = mantissa 2^exponent with the mantissa in [sqrt(1/2), sqrt(2)); these are sqrt(1/2)'s bits.
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    mantissa = np.int32(bits - (exponent << np.int32(23))).view(np.float32)
    t = (mantissa - one) / (mantissa + one)
    t2 = t * t
    series = np.float32(2 / (9 * LN2))  # ln(mantissa) = 2 artanh(t)
    series = series * t2 + np.float32(2 / (7 * LN2))
    series = series * t2 + np.float32(2 / (5 * LN2))
    series = series * t2 + np.float32(2 / (3 * LN2))
    series = series * t2 + np.float32(2 / LN2)
    return np.float32(exponent) + t * series


@njit(**OPTIONS)
def exp2(x):
    """Return 2^x in float32, good to 2e-7, for x below 127."""
    x = np.float32(-126) if x < np.float32(-126) else x
    whole = np.floor(x + np.float32(0.5))
    rest = x - whole
    series = np.float32(LN2**6 / 720)
    series = series * rest + np.float32(LN2**5 / 120)
    series = series * rest + np.float32(LN2**4 / 24)
    series = series * rest + np.float32(LN2**3 / 6)
    series = series * rest + np.float32(LN2**2 / 2)
    series = series * rest + np.float32(LN2)
    series = series * rest + np.float32(1)
    return series * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
