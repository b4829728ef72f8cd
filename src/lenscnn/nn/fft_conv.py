"""Convolutions by Fourier transforms that are matrix products.

A convolution with a kernel of k x k pixels multiplies each pixel k^2 times, its Fourier transform
once (Mathieu, Henaff & LeCun 2014, "Fast training of convolutional networks through FFTs", ICLR,
arXiv:1312.5851). At the sizes of feature maps, some ten to thirty pixels, a transform by a matrix
beats a fast one: matrix products run at the machine's full rate, take any length, and need not
transform the zeros around an image. With the complex product by three real ones, whose sums are
folded into the matrices, all of it, forward and backward, is real matrix products (the form of
Lavin & Gray 2016, CVPR, arXiv:1509.09308, with Fourier's matrices in place of Winograd's).

It is exact but for rounding, which is of the size of a direct sum's, with one difference: errors
go with the brightest pixel of an image and not with each one's neighbours.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

_ALL_AT_ONCE = {"cuda"}
"""Devices that want few large products, of all frequencies. Elsewhere those of the first axis go
one after the other through all products, and the cache holds what each needs: of large layers all
at once take up to a sixth longer on a CPU."""


class _Matrices(NamedTuple):
    """Transforms along one axis, that of a kernel to the conjugate, centred on its middle."""

    images: torch.Tensor
    kernel: torch.Tensor
    back: torch.Tensor


def _waves(n: int, kernel: int) -> tuple[NDArray[np.complex128], ...]:
    """Return exp(-2 pi i f x / N) at pixels, exp(2 pi i f x / N) at the kernel, and back."""
    reach = kernel // 2
    # Zeros of half a kernel's width after the image are before it, too: the transform is periodic.
    n_frequencies = n + reach
    angle = 2j * np.pi * np.arange(n_frequencies)[:, None] / n_frequencies
    images: NDArray[np.complex128] = np.exp(-angle * np.arange(n))
    return images, np.exp(angle * np.arange(-reach, reach + 1)), images.conj().T / n_frequencies


@lru_cache
def _first_axis(n: int, kernel: int, device: torch.device, dtype: torch.dtype) -> _Matrices:
    """Return matrices from real numbers to (f, real and imaginary), f from zero to the middle."""
    images, of_kernel, back = _waves(n, kernel)
    half = len(images) // 2 + 1
    # The other frequencies hold the complex conjugates of these, but for zero and the middle.
    twice = np.full(half, 2.0)
    twice[0] = 1
    if len(images) % 2 == 0:
        twice[-1] = 1

    def parts(wave):
        return np.stack([wave[:half].real, wave[:half].imag], 1).reshape(2 * half, -1)

    back = back[:, :half] * twice
    back = np.stack([back.real, -back.imag], 2).reshape(n, -1)
    return _tensors((parts(images), parts(of_kernel), back), device, dtype)


@lru_cache
def _second_axis(n: int, kernel: int, device: torch.device, dtype: torch.dtype) -> _Matrices:
    """Return matrices from (real and imaginary, x) to (f, three numbers), and back from products.

    The three of z are Re z, Im z and their sum. Of the products p, q, s of two complex numbers'
    three, theirs is p - q + i (s - p - q).
    """
    images, of_kernel, back = _waves(n, kernel)

    def three(wave):
        re = np.concatenate([wave.real, -wave.imag], 1)
        im = np.concatenate([wave.imag, wave.real], 1)
        return np.stack([re, im, re + im], 1).reshape(3 * len(wave), -1)

    re = np.stack([back.real + back.imag, back.imag - back.real, -back.imag], 2)
    im = np.stack([back.imag - back.real, -back.imag - back.real, back.real], 2)
    back = np.concatenate([re, im]).reshape(2 * n, -1)
    return _tensors((three(images), three(of_kernel), back), device, dtype)


def _tensors(matrices, device, dtype) -> _Matrices:
    return _Matrices(
        *(torch.from_numpy(matrix).to(device, dtype).contiguous() for matrix in matrices)
    )


class _Convolution(torch.autograd.Function):
    """The autograd function behind `convolve`.

    After the transform of the first axis pixels are (frequency, real and imaginary part of x, image
    and channel), after that of the second (frequency, three numbers of each frequency, image,
    channel); so are the kernel's, with the channel in place of the image and the filter in its.
    """

    @staticmethod
    def forward(ctx, images, weight, bias, keep):
        """Compute the convolution; see `torch.autograd.Function`."""
        n, channels, height, width = images.shape
        filters, _, kernel, _ = weight.shape
        of = {"device": images.device, "dtype": images.dtype}
        first, second = _first_axis(height, kernel, **of), _second_axis(width, kernel, **of)
        half, numbers = len(first.images) // 2, len(second.images)
        step = half if images.device.type in _ALL_AT_ONCE else 1
        pixels = first.images @ images.permute(2, 3, 0, 1).reshape(height, -1)
        taps = first.kernel @ weight.permute(2, 3, 1, 0).reshape(kernel, -1)
        pixels, taps = pixels.view(half, 2 * width, -1), taps.view(half, 2 * kernel, -1)
        # What no gradient needs is written over by the next.
        spectra = torch.empty(half if keep else step, numbers, n, channels, **of)
        responses = torch.empty(half if keep else step, numbers, channels, filters, **of)
        products = torch.empty(step, numbers, n, filters, **of)
        sums = torch.empty(half, 2 * width, n * filters, **of)
        for start in range(0, half, step):
            rows = slice(start, start + step)
            here = rows if keep else slice(0, step)
            spectrum, response = spectra[here], responses[here]
            _on_each(second.images, pixels[rows], spectrum)
            _on_each(second.kernel, taps[rows], response)
            torch.bmm(spectrum.flatten(0, 1), response.flatten(0, 1), out=products.flatten(0, 1))
            _on_each(second.back, products.flatten(2), sums[rows])
        ctx.save_for_backward(spectra, responses)
        ctx.matrices, ctx.shape = (first, second), images.shape
        output = (first.back @ sums.view(2 * half, -1)).view(height, width, n, filters)
        return _channels_last(output).add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Compute the gradients; see `torch.autograd.Function`."""
        n, channels, height, width = ctx.shape
        first, second = ctx.matrices
        spectra, responses = ctx.saved_tensors
        half, numbers, _, filters = responses.shape
        kernel = first.kernel.shape[1]
        step = half if gradient.device.type in _ALL_AT_ONCE else 1
        sums = first.back.T @ gradient.permute(2, 3, 0, 1).reshape(height, -1)
        sums = sums.view(half, 2 * width, -1)
        products = sums.new_empty(step, numbers, n, filters)
        to_spectrum = sums.new_empty(step, numbers, n, channels)
        to_response = sums.new_empty(step, numbers, channels, filters)
        pixels = sums.new_empty(half, 2 * width, n * channels)
        taps = sums.new_empty(half, 2 * kernel, channels * filters)
        for start in range(0, half, step):
            rows = slice(start, start + step)
            spectrum, response = spectra[rows].flatten(0, 1), responses[rows].flatten(0, 1)
            _on_each(second.back.T, sums[rows], products)
            torch.bmm(products.flatten(0, 1), response.mT, out=to_spectrum.flatten(0, 1))
            torch.bmm(spectrum.mT, products.flatten(0, 1), out=to_response.flatten(0, 1))
            _on_each(second.images.T, to_spectrum.flatten(2), pixels[rows])
            _on_each(second.kernel.T, to_response.flatten(2), taps[rows])
        to_images = (first.images.T @ pixels.view(2 * half, -1)).view(height, width, n, channels)
        to_weight = (first.kernel.T @ taps.view(2 * half, -1)).view(kernel, kernel, channels, -1)
        to_bias = gradient.sum((0, 2, 3))
        return _channels_last(to_images), to_weight.permute(3, 2, 0, 1), to_bias, None


def _on_each(matrix, stack, out):
    """Multiply one matrix with each of a stack."""
    out = out.view(len(stack), len(matrix), -1)
    if len(stack) == 1:  # which is faster not called a stack
        torch.mm(matrix, stack[0], out=out[0])
    else:
        torch.bmm(matrix.expand(len(stack), -1, -1), stack, out=out)


def _channels_last(features):
    """Copy (H, W, B, C) to a tensor (B, C, H, W) with the channels last in memory."""
    height, width, n, channels = features.shape
    result = torch.empty(
        (n, channels, height, width), device=features.device, dtype=features.dtype,
        memory_format=torch.channels_last,
    )  # fmt: skip
    return result.copy_(features.permute(2, 3, 0, 1))


def convolve(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Convolve as `torch.nn.functional.conv2d` with "same" padding and stride 1 does.

    Differentiable once, in all three. The result has its channels last in memory; nothing need be
    rearranged if the images have, too.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    weight : Tensor, shape (O, C, k, k)
        k odd. All three of one floating-point type, on one device.
    bias : Tensor, shape (O,)

    Returns
    -------
    Tensor, shape (B, O, H, W)

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    channels, kernel = images.shape[1], weight.shape[2]
    if weight.shape[1:] != (channels, kernel, kernel) or kernel % 2 == 0:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}; for images of {channels} channels it must be "
            f"(filters, {channels}, k, k) with an odd k"
        )
    # Asked here, for within `forward` no gradient is ever wanted.
    return _Convolution.apply(images, weight, bias, torch.is_grad_enabled())


def operations(image_shape: tuple[int, int, int, int], filters: int, kernel: int) -> int:
    """Count multiplications and additions that `convolve` takes, the bias left out.

    Parameters
    ----------
    image_shape
        (B, C, H, W).
    filters, kernel
        O and k.
    """
    n, channels, height, width = image_shape
    half, numbers = (height + kernel // 2) // 2 + 1, 3 * (width + kernel // 2)

    def transform(rows, columns, count):
        return (2 * half * rows * columns + half * numbers * 2 * columns) * count

    transforms = transform(height, width, n * (channels + filters))
    transforms += transform(kernel, kernel, channels * filters)
    return 2 * (transforms + half * numbers * n * channels * filters)


def direct_operations(image_shape: tuple[int, int, int, int], filters: int, kernel: int) -> int:
    """Count those that a direct sum takes, parameters as in `operations`."""
    n, channels, height, width = image_shape
    return 2 * n * filters * height * width * channels * kernel**2
