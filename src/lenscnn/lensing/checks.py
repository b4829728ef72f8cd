"""Checks of parameters that rendering takes."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

LENS_KEYS = ("theta_E", "q", "phi", "center_x", "center_y")

# Sub-pixels handled at once in torch: enough to fill a GPU. No result depends on it.
SUBPIXELS_AT_ONCE = 2**24


def check_parameters(
    parameters: Mapping[str, Tensor], keys: tuple[str, ...], name: str, n: int
) -> None:
    """Raise ValueError if parameters are missing, unknown, or not one a lens."""
    if set(parameters) != set(keys):
        raise ValueError(f"{name} must have the keys {sorted(keys)}; it has {sorted(parameters)}")
    for key, values in parameters.items():
        if values.shape != (n,):
            raise ValueError(
                f"{name} {key} has shape {tuple(values.shape)}; for {n} images it must be ({n},)"
            )


def compiled_can_draw(tensors: Iterable[Tensor]) -> bool:
    """Return whether compiled loops can draw these: in float32 on the CPU, without gradients."""
    tensors = list(tensors)
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return not needs_grad and all(
        t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors
    )
