"""Point-spread function."""

import math

import torch.nn.functional as F
from torch import Tensor

TRUNCATION = 5.0
"""Radius at which the Gaussian kernel is cut, in standard deviations (lenstronomy's default)."""


def gaussian_kernel(sigma_pix: float) -> list[float]:
    """Sample a Gaussian along one axis at whole pixels, from its centre outwards.

    It reaches ``int(TRUNCATION * sigma_pix + 0.5)`` pixels, and its sum over both sides is one.

    Raises
    ------
    ValueError
        If `sigma_pix` is negative.
    """
    if sigma_pix < 0:
        raise ValueError(f"sigma_pix is {sigma_pix}: a PSF's width in pixels cannot be negative")
    radius = int(TRUNCATION * sigma_pix + 0.5)
    weights = [1.0] + [math.exp(-0.5 * (k / sigma_pix) ** 2) for k in range(1, radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return [weight / total for weight in weights]


def convolve_gaussian(images: Tensor, sigma_pix: float) -> Tensor:
    """Convolve with a circular Gaussian, sampled at pixel centres and normalised to unit sum.

    As in lenstronomy's ``GAUSSIAN``, the outermost pixels are repeated beyond the edge of the
    stamp: what lies outside is unknown, and is more like the edge than like zero.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    sigma_pix
        Standard deviation in pixels; 0 leaves the images as they are.

    Returns
    -------
    Tensor, shape (B, C, H, W)

    Raises
    ------
    ValueError
        If `sigma_pix` is negative.
    """
    kernel = gaussian_kernel(sigma_pix)
    if len(kernel) == 1:
        return images
    padded = F.pad(images, [len(kernel) - 1] * 4, mode="replicate")
    return _blur(_blur(padded, kernel, dim=-2), kernel, dim=-1)


def _blur(images: Tensor, kernel: list[float], dim: int) -> Tensor:
    """Convolve along `dim` with a symmetric kernel given from its centre outwards, edges cut.

    A sum of shifted images: a library convolution may choose another order of summation for
    another batch size, and an image would then depend on its neighbours in the batch.
    """
    radius = len(kernel) - 1
    size = images.shape[dim] - 2 * radius

    def shifted(k: int) -> Tensor:
        return images.narrow(dim, radius + k, size)

    blurred = kernel[0] * shifted(0)
    for k in range(1, radius + 1):
        blurred = blurred + kernel[k] * (shifted(-k) + shifted(k))
    return blurred
