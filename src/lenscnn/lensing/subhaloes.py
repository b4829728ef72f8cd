"""Summed deflection of many subhaloes, each a singular isothermal sphere.

The subhaloes of all images lie one after another in flat tensors; image b owns the entries
``offsets[b]:offsets[b + 1]``. One function, three implementations: a compiled loop on the CPU,
a compiled reduction on a GPU, and plain torch where a gradient is wanted.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lenscnn.lensing.kernels.subhaloes import sum_subhaloes
from lenscnn.lensing.kernels.threads import in_threads

# Softening of r^2 (arcsec^2), in place of a branch for a subhalo exactly on a pixel's centre: large
# enough for gradients not to overflow.
_SOFTENING = 1e-14

# Pixel-subhalo pairs handled at once. Plain torch holds a few tensors of this size; the compiled
# reduction holds none, and stays below 2^31 only to index with 32 bits.
_PAIRS_EAGER = 2**24

_PAIRS_COMPILED = 2**30


def subhalo_deflection(
    x: Tensor, y: Tensor, offsets: Tensor, center_x: Tensor, center_y: Tensor, theta_E: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the deflection by all subhaloes of each image, on a grid of pixels.

    Parameters
    ----------
    x : Tensor, shape (W,)
    y : Tensor, shape (H,)
        Coordinates of the pixel (or sub-pixel) centres, arcsec.
    offsets : Tensor of int64, shape (B + 1,)
        Bounds of each image's subhaloes in the flat tensors; need not start at 0.
    center_x, center_y : Tensor, shape (M,)
        Positions of the subhaloes, arcsec, in the frame of `x` and `y`.
    theta_E : Tensor, shape (M,)
        Their Einstein radii, arcsec.

    Returns
    -------
    alpha_x, alpha_y : Tensor, shape (B, H, W)
        Deflection, arcsec, in the common dtype of the arguments (float32 or float64).

    Raises
    ------
    ValueError
        If the bounds do not fit the flat tensors, or dtypes differ.
    """
    bounds = offsets.tolist()
    check_subhaloes(bounds, x, y, center_x, center_y, theta_E)
    halo_tensors = (center_x, center_y, theta_E)
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in (x, y, *halo_tensors))
    if needs_grad:
        return _padded_chunks(_differentiable_sum, _PAIRS_EAGER, x, y, bounds, *halo_tensors)
    if x.device.type == "cpu":
        return _cpu_sum(x, y, offsets, *halo_tensors)
    return _padded_chunks(_compiled_sum(), _PAIRS_COMPILED, x, y, bounds, *halo_tensors)


def check_subhaloes(
    bounds: list[int], x: Tensor, y: Tensor, center_x: Tensor, center_y: Tensor, theta_E: Tensor
) -> None:
    """Raise ValueError as :func:`subhalo_deflection` documents."""
    n_halo = len(theta_E)
    if not len(center_x) == len(center_y) == n_halo:
        raise ValueError(
            "center_x, center_y and theta_E must be of one length, one entry a subhalo; they have "
            f"{len(center_x)}, {len(center_y)} and {n_halo}"
        )
    if not bounds or bounds[0] < 0 or bounds[-1] > n_halo or bounds != sorted(bounds):
        raise ValueError(
            f"offsets must be increasing bounds within the {n_halo} subhaloes given; "
            f"they run from {bounds[:1]} to {bounds[-1:]}"
        )
    dtypes = {t.dtype for t in (x, y, center_x, center_y, theta_E)}
    if len(dtypes) > 1:
        raise ValueError(f"x, y and the subhaloes must share one dtype; they have {dtypes}")


def _cpu_sum(
    x: Tensor, y: Tensor, offsets: Tensor, center_x: Tensor, center_y: Tensor, theta_E: Tensor
) -> tuple[Tensor, Tensor]:
    alpha = x.new_empty((2, len(offsets) - 1, len(y), len(x)))
    tensors = (x, y, offsets, center_x, center_y, theta_E, alpha)
    arrays = [t.detach().contiguous().numpy() for t in tensors]
    in_threads(lambda first, last: sum_subhaloes(first, last, *arrays), len(offsets) - 1)
    return alpha[0], alpha[1]


# In torch: images padded to the most subhaloes of their chunk.


def _padded_sum(
    x: Tensor, y: Tensor, center_x: Tensor, center_y: Tensor, theta_E: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum over the last axis of the padded subhaloes (B, N), on the grid (H, W)."""
    dx = x[None, None, :, None] - center_x[:, None, None, :]
    dy = y[None, :, None, None] - center_y[:, None, None, :]
    scale = theta_E[:, None, None, :] * torch.rsqrt(dx**2 + dy**2 + _SOFTENING)
    return (scale * dx).sum(-1), (scale * dy).sum(-1)


def _differentiable_sum(*arguments: Tensor) -> tuple[Tensor, Tensor]:
    # Recomputed in the backward pass: the pairs of one chunk at a time are held, not of all.
    return checkpoint(_padded_sum, *arguments, use_reentrant=False)


@cache
def _compiled_sum():
    return torch.compile(_padded_sum, dynamic=True)


def _padded_chunks(
    summed,
    max_pairs: int,
    x: Tensor,
    y: Tensor,
    bounds: list[int],
    center_x: Tensor,
    center_y: Tensor,
    theta_E: Tensor,
) -> tuple[Tensor, Tensor]:
    """Apply `summed` to as many images at a time as keep within `max_pairs` (at least one)."""
    starts = torch.tensor(bounds[:-1], dtype=torch.int64, device=x.device)
    counts = torch.tensor(bounds[1:], dtype=torch.int64, device=x.device) - starts
    n_padded = int(counts.max()) if len(counts) else 0

    # A massless subhalo at the end of each list, for the padding to point to.
    halo_tensors = [F.pad(t, (0, 1)) for t in (center_x, center_y, theta_E)]
    rank = torch.arange(n_padded, device=x.device)
    index = torch.where(rank < counts[:, None], starts[:, None] + rank, len(theta_E))

    chunk = max(1, max_pairs // max(1, len(x) * len(y) * n_padded))
    parts = [summed(x, y, *(t[part] for t in halo_tensors)) for part in index.split(chunk)]
    alpha_x, alpha_y = (torch.cat(part) for part in zip(*parts, strict=True))
    return alpha_x, alpha_y
