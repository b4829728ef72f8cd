"""Standard normal numbers from the hash, on any device."""

import numpy as np
import torch

from lenscnn.rng.splitmix import GAMMA, MIX1, MIX2, as_signed, logical_shift_right


def standard_normal(keys: torch.Tensor, n: int) -> torch.Tensor:
    """Return independent standard normal numbers for each image, on the device of `keys`.

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
    pairs = (n + 1) // 2
    if keys.device.type == "cpu":
        # Here, for trainings and predictions draw none and Numba takes half a second to import.
        from lenscnn.rng.kernels import fill_normal

        numbers = torch.empty((len(keys), 2 * pairs), dtype=torch.float32)
        fill_normal(keys.numpy().view(np.uint64), numbers.numpy())
        return numbers[:, :n]
    return _normal_in_torch(keys, pairs)[:, :n]


def _normal_in_torch(keys: torch.Tensor, pairs: int) -> torch.Tensor:
    counter = torch.arange(1, pairs + 1, device=keys.device, dtype=torch.int64)
    z = keys[:, None] + counter * as_signed(GAMMA)  # (B, pairs)
    z = (z ^ logical_shift_right(z, 30)) * as_signed(MIX1)
    z = (z ^ logical_shift_right(z, 27)) * as_signed(MIX2)
    z = z ^ logical_shift_right(z, 31)
    radius = torch.sqrt(-2 * torch.log((logical_shift_right(z, 40).float() + 0.5) * 2.0**-24))
    angle = ((z & 0xFFFFFF).float() + 0.5) * (2 * torch.pi * 2.0**-24)
    return torch.cat((radius * torch.cos(angle), radius * torch.sin(angle)), dim=1)
