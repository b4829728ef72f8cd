"""Checks of parameters that rendering takes."""

from collections.abc import Mapping

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
