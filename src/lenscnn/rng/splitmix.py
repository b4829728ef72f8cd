"""The hash SplitMix64 (Steele, Lea & Flood 2014), on arrays and on tensors."""

import numpy as np

GAMMA = 0x9E3779B97F4A7C15

MIX1 = 0xBF58476D1CE4E5B9

MIX2 = 0x94D049BB133111EB


def mix(z: np.ndarray) -> np.ndarray:
    """Return the finaliser of SplitMix64, ndarray of uint64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX2)
    return z ^ (z >> np.uint64(31))


def as_signed(value: int) -> int:
    """Return the signed 64-bit number with the bits of an unsigned one."""
    return value - (1 << 64) if value >= 1 << 63 else value


def logical_shift_right(z, bits: int):
    """Shift a tensor of int64 right, zeros coming in from the left."""
    # torch has no unsigned 64-bit arithmetic: clear the sign bits an arithmetic shift brings in.
    return (z >> bits) & ((1 << (64 - bits)) - 1)
