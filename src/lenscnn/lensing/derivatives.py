"""Derivatives of images of lensed Sersic galaxies by every parameter, in double precision."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lenscnn.lensing.checks import LENS_KEYS, check_parameters
from lenscnn.lensing.isothermal import sie_deflection
from lenscnn.lensing.light import sersic
from lenscnn.lensing.psf import convolve_gaussian
from lenscnn.lensing.sersic_galaxies import GALAXY_KEYS, _Camera, _lensed_sersic


def differentiate_galaxies(
    lens: Mapping[str, Tensor] | None,
    light: Mapping[str, Tensor],
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
    tolerance: float = 1e-6,
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Render noise-free images of galaxies of unit flux, and differentiate them.

    Derivatives are those of the sum over sub-pixels that `sersic_galaxies.render_galaxies` takes,
    with the quarterings held fixed: exact for that sum. Brightness at a point depends on nothing
    but the point's own copy of the parameters, so that one backward pass gives all derivatives at
    all points. Differences of the compiled images, which are in single precision and may be
    quartered otherwise at the next step, are good to 1e-3 at best and take two images a parameter.

    Parameters
    ----------
    lens : mapping of Tensors of float64, shape (B,), or None
        As for `sersic_galaxies.render_galaxies`; None for no lens.
    light : mapping of Tensors of float64, shape (B,)
        As for `sersic_galaxies.render_sersic`, `center_x` and `center_y` in the source plane.
    n_pix, pixel_scale, supersampling, psf_sigma, tolerance
        As for `sersic_galaxies.render_galaxies`.

    Returns
    -------
    images : Tensor of float64, shape (B, n_pix, n_pix)
        Fractions of the unlensed flux.
    by_lens, by_light : dict of Tensors of float64, shape (B, n_pix, n_pix)
        Derivatives of the images by each parameter of `lens` and of `light`.

    Raises
    ------
    ValueError
        If a parameter is missing, unknown, or not one a galaxy in float64.
    """
    n = len(light.get("q", ()))
    check_parameters(light, GALAXY_KEYS, "light", n)
    if lens is not None:
        check_parameters(lens, LENS_KEYS, "lens", n)
    if any(t.dtype != torch.float64 for t in (*light.values(), *(lens or {}).values())):
        raise ValueError("derivatives are taken of parameters in float64")
    camera = _Camera(n_pix, pixel_scale, supersampling, psf_sigma, tolerance)
    x, y, image, pixel, area = _sub_pixels(lens, light, camera)

    own_lens = {key: values[image].requires_grad_() for key, values in (lens or {}).items()}
    own_light = {key: values[image].requires_grad_() for key, values in light.items()}
    if lens is not None:
        alpha_x, alpha_y = sie_deflection(x, y, **own_lens)
        x, y = x - alpha_x, y - alpha_y
    brightness = sersic(x, y, **own_light)
    slopes = torch.autograd.grad(brightness.sum(), [*own_lens.values(), *own_light.values()])
    points = area * torch.stack([brightness.detach(), *slopes])
    pixels = points.new_zeros((len(points), n * n_pix**2))
    pixels.index_add_(1, image * n_pix**2 + pixel, points)
    drawn = convolve_gaussian(pixels.view(-1, n, n_pix, n_pix), camera.sigma_pix)
    by_lens = dict(zip(own_lens, drawn[1:], strict=False))
    by_light = dict(zip(own_light, drawn[1 + len(by_lens) :], strict=True))
    return drawn[0], by_lens, by_light


def _sub_pixels(
    lens: Mapping[str, Tensor] | None, light: Mapping[str, Tensor], camera: _Camera
) -> tuple[Tensor, ...]:
    """Return the squares whose midpoints make up the images, quartered until each is fine enough.

    Returns
    -------
    x, y, image, pixel, area : Tensor, shape (m,)
        Midpoint (arcsec), which image, which of its pixels, and area (arcsec^2) of each square.
    """
    n, coordinates = len(light["q"]), torch.as_tensor(camera.sub_pixels())
    image, row, column = (
        t.flatten()
        for t in torch.meshgrid(
            torch.arange(n), *2 * [torch.arange(len(coordinates))], indexing="ij"
        )
    )
    x, y, side = coordinates[column], coordinates[row], camera.side
    sub = camera.supersampling
    pixel = row // sub * camera.n_pix + column // sub
    left = coordinates.new_tensor([-0.25, 0.25, -0.25, 0.25])
    below = coordinates.new_tensor([-0.25, -0.25, 0.25, 0.25])
    parts = []
    while len(x):
        _, rough = _lensed_sersic(x, y, lens, light, image, side, camera.tolerance)
        fine = ~rough
        area = coordinates.new_full((int(fine.sum()),), side**2)
        parts.append((x[fine], y[fine], image[fine], pixel[fine], area))
        x = (x[rough][:, None] + side * left).flatten()
        y = (y[rough][:, None] + side * below).flatten()
        image, pixel = image[rough].repeat_interleave(4), pixel[rough].repeat_interleave(4)
        side = side / 2
    return tuple(torch.cat(values) for values in zip(*parts, strict=True))
