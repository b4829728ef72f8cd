"""Surface brightness of sources."""

import torch
from torch import Tensor


def gaussian(
    x: Tensor,
    y: Tensor,
    sigma: Tensor,
    center_x: Tensor,
    center_y: Tensor,
    amplitude: Tensor | float = 1.0,
) -> Tensor:
    """Surface brightness of a circular Gaussian; all arguments are broadcast.

    Parameters
    ----------
    x, y
        Where to evaluate, arcsec.
    sigma
        Standard deviation along each axis, arcsec.
    center_x, center_y
        Centre, arcsec.
    amplitude
        Peak surface brightness, which sets the unit of the result.
    """
    r2 = (x - center_x) ** 2 + (y - center_y) ** 2
    return amplitude * torch.exp(r2 * (-0.5 / sigma**2))
