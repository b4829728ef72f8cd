"""Images of Sersic galaxies behind isothermal ellipsoids, and of the lenses' own light."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenscnn.core.conventions import pixel_centers
from lenscnn.lensing.checks import LENS_KEYS, SUBPIXELS_AT_ONCE, check_parameters, compiled_can_draw
from lenscnn.lensing.isothermal import sie_convergence, sie_deflection
from lenscnn.lensing.kernels import sersic
from lenscnn.lensing.kernels.threads import in_threads
from lenscnn.lensing.light import SMALLEST_N, SMOOTHING, sersic_and_slope, sersic_b, sersic_peak
from lenscnn.lensing.psf import convolve_gaussian, gaussian_kernel

SERSIC_KEYS = ("R_sersic", "n_sersic", "q", "phi")

GALAXY_KEYS = (*SERSIC_KEYS, "center_x", "center_y")


def render_galaxies(
    lens: Mapping[str, Tensor],
    source: Mapping[str, Tensor],
    lens_light: Mapping[str, Tensor] | None,
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
    tolerance: float = 1e-6,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Render noise-free images of Sersic sources behind isothermal lenses, and the lens light.

    Both are images of galaxies whose total flux without a lens is one. A pixel holds the flux that
    falls into it, by the midpoints of `supersampling` x `supersampling` sub-pixels. Those are
    quartered until each misses less than `tolerance`, since the cusp of a de Vaucouleurs profile
    is far smaller than a pixel. The point-spread function is applied on the grid of whole pixels.
    In float32 on the CPU an image does not depend on the others in its batch, to the last bit.

    Parameters
    ----------
    lens : mapping of Tensors, shape (B,)
        `theta_E` (arcsec), `q` (0 < q <= 1), `phi` (rad), `center_x`, `center_y` (arcsec) of the
        mass.
    source : mapping of Tensors, shape (B,)
        `R_sersic` (arcsec), `n_sersic`, `q`, `phi` (rad) of the source as in
        :func:`light.sersic`, and `center_x`, `center_y`, arcsec, in the source
        plane with the stamp's origin.
    lens_light : mapping of Tensors, shape (B,), or None
        `R_sersic`, `n_sersic`, `q`, `phi` of the lens's light, which is centred on its mass. None
        leaves its images out.
    n_pix
        Pixels along each axis.
    pixel_scale
        Size of a pixel, arcsec.
    supersampling
        Sub-pixels along each axis of a pixel, before any is quartered.
    psf_sigma
        Standard deviation of the Gaussian PSF, arcsec; 0 for none.
    tolerance
        Flux that the midpoint of a sub-pixel may miss by the curvature there; `math.inf` quarters
        none.

    Returns
    -------
    source_images, lens_images : Tensor, shape (B, 1, n_pix, n_pix)
        Axes are (image, band, y, x); `lens_images` is None without `lens_light`.
    magnification : Tensor, shape (B,)
        Flux of the lensed source on the stamp, before the PSF.

    Raises
    ------
    ValueError
        If a parameter is missing, unknown or of another shape or dtype, or an axis ratio, radius,
        Sersic index or `tolerance` is out of its range.
    """
    n_images = len(lens.get("theta_E", ()))
    check_parameters(lens, LENS_KEYS, "lens", n_images)
    check_parameters(source, GALAXY_KEYS, "source", n_images)
    galaxies = {"lens": lens, "source": source}
    if lens_light is not None:
        check_parameters(lens_light, SERSIC_KEYS, "lens_light", n_images)
        galaxies["lens_light"] = lens_light
    _check_values(galaxies)
    camera = _Camera(n_pix, pixel_scale, supersampling, psf_sigma, tolerance)
    source_images, magnification = _draw(lens, source, camera)
    if lens_light is None:
        return source_images, None, magnification
    centred = {**lens_light, "center_x": lens["center_x"], "center_y": lens["center_y"]}
    return source_images, render_sersic(centred, *camera), magnification


def render_sersic(
    light: Mapping[str, Tensor],
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
    tolerance: float = 1e-6,
) -> Tensor:
    """Render noise-free images of Sersic galaxies of unit total flux, with no lens before them.

    Drawn as by :func:`render_galaxies`, which draws lens light with this.

    Parameters
    ----------
    light : mapping of Tensors, shape (B,)
        `R_sersic` (arcsec), `n_sersic`, `q`, `phi` (rad), `center_x`, `center_y` (arcsec) as in
        :func:`light.sersic`.
    n_pix, pixel_scale, supersampling, psf_sigma, tolerance
        As for :func:`render_galaxies`.

    Returns
    -------
    Tensor, shape (B, 1, n_pix, n_pix)
        Axes are (image, band, y, x).

    Raises
    ------
    ValueError
        As :func:`render_galaxies`.
    """
    check_parameters(light, GALAXY_KEYS, "light", len(light.get("R_sersic", ())))
    _check_values({"light": light})
    camera = _Camera(n_pix, pixel_scale, supersampling, psf_sigma, tolerance)
    return _draw(None, light, camera)[0]


class _Camera(NamedTuple):
    """How finely to draw, as `render_galaxies` takes it."""

    n_pix: int
    pixel_scale: float
    supersampling: int
    psf_sigma: float
    tolerance: float

    @property
    def side(self) -> float:
        """Give the side of a sub-pixel, arcsec."""
        return self.pixel_scale / self.supersampling

    def sub_pixels(self) -> np.ndarray:
        """Return the centres of the sub-pixels along each axis, arcsec."""
        return pixel_centers(self.n_pix * self.supersampling, self.side)

    @property
    def sigma_pix(self) -> float:
        """Give the standard deviation of the PSF in pixels."""
        return self.psf_sigma / self.pixel_scale


def _check_values(galaxies: Mapping[str, Mapping[str, Tensor]]) -> None:
    dtypes = {t.dtype for galaxy in galaxies.values() for t in galaxy.values()}
    if len(dtypes) > 1:
        raise ValueError(f"{', '.join(galaxies)} must share one dtype; they have {dtypes}")
    for name, galaxy in galaxies.items():
        for key, (low, high) in _RANGES.items():
            if key in galaxy and not bool(((galaxy[key] >= low) & (galaxy[key] <= high)).all()):
                raise ValueError(f"{name} {key} must lie between {low:g} and {high:g}")


_RANGES = {
    "q": (1e-3, 1.0),
    "R_sersic": (SMOOTHING, math.inf),
    "n_sersic": (SMALLEST_N, 12.0),  # beyond, the central brightness is too much for float32
}


def _draw(
    lens: Mapping[str, Tensor] | None, light: Mapping[str, Tensor], camera: _Camera
) -> tuple[Tensor, Tensor]:
    """Render galaxies of unit total flux behind `lens`; return their flux before the PSF too."""
    if not camera.tolerance > 0:
        raise ValueError(
            f"tolerance is {camera.tolerance}; it must be positive (math.inf for none)"
        )
    q = light["q"]
    if len(q) == 0:
        return q.new_zeros((0, 1, camera.n_pix, camera.n_pix)), q.new_zeros(0)
    compiled = compiled_can_draw([*light.values(), *(lens or {}).values()])
    return (_sersic_compiled if compiled else _sersic_torch)(lens, light, camera)


def _sersic_compiled(
    lens: Mapping[str, Tensor] | None, light: Mapping[str, Tensor], camera: _Camera
) -> tuple[Tensor, Tensor]:
    q = light["q"]
    if lens is None:
        lens = {key: torch.full_like(q, float(key == "q")) for key in LENS_KEYS}
    lens_table = torch.stack([lens[key].detach() for key in LENS_KEYS])
    table = _profile_table({key: values.detach().double() for key, values in light.items()})
    # The compiled logarithm makes a number of anything, so that what is not one must show here.
    table[0] += 0 * (table.sum(0) + lens_table.sum(0))
    images = q.new_empty((len(q), camera.n_pix, camera.n_pix))
    fluxes = q.new_empty(len(q))
    arguments = [
        q.new_tensor(camera.sub_pixels()).numpy(),
        np.float32(camera.side),
        lens_table.numpy(),
        table.to(q.dtype).numpy(),
        q.new_tensor(gaussian_kernel(camera.sigma_pix)).numpy(),
        np.float32(camera.tolerance),
        images.numpy(),
        fluxes.numpy(),
    ]
    in_threads(lambda first, last: sersic.render_sersic(first, last, *arguments), len(q))
    return images[:, None], fluxes


def _profile_table(light: Mapping[str, Tensor]) -> Tensor:
    """Return what the compiled loop needs of a profile, (11, B).

    Central brightness, R_sersic, n, b_n, centre, the two rows of the matrix that maps it to a
    circle of unit half-light radius, q.
    """
    R, n, q = light["R_sersic"], light["n_sersic"], light["q"]
    cos, sin = torch.cos(light["phi"]), torch.sin(light["phi"])
    major, minor = q.sqrt() / R, 1 / (q.sqrt() * R)
    return torch.stack([
        sersic_peak(R, n), R, n, sersic_b(n), light["center_x"], light["center_y"],
        major * cos, major * sin, -minor * sin, minor * cos, q,
    ])  # fmt: skip


def _sersic_torch(
    lens: Mapping[str, Tensor] | None, light: Mapping[str, Tensor], camera: _Camera
) -> tuple[Tensor, Tensor]:
    q = light["q"]
    coordinates = torch.as_tensor(camera.sub_pixels(), dtype=q.dtype, device=q.device)
    chunk = max(1, SUBPIXELS_AT_ONCE // len(coordinates) ** 2)
    parts = []
    for first in range(0, len(q), chunk):
        part = slice(first, first + chunk)
        parts.append(
            _integrate(
                lens and {key: values[part] for key, values in lens.items()},
                {key: values[part] for key, values in light.items()},
                coordinates,
                camera.side,
                camera.supersampling,
                camera.tolerance,
            )
        )
    pixels = torch.cat(parts)
    return convolve_gaussian(pixels, camera.sigma_pix), pixels.sum((1, 2, 3))


def _integrate(
    lens: Mapping[str, Tensor] | None,
    light: Mapping[str, Tensor],
    coordinates: Tensor,
    side: float,
    supersampling: int,
    tolerance: float,
) -> Tensor:
    """Return the flux in each pixel, (B, 1, n_pix, n_pix), as in :func:`render_galaxies`."""
    x, y = coordinates[None, None, :], coordinates[None, :, None]
    every = (slice(None), None, None)
    brightness, rough = _lensed_sersic(x, y, lens, light, every, side, tolerance)
    smooth = brightness.masked_fill(rough, 0.0)[:, None]
    pixels = side**2 * F.avg_pool2d(smooth, supersampling, divisor_override=1)

    image, row, column = rough.nonzero(as_tuple=True)
    x, y = coordinates[column], coordinates[row]
    n_pix = pixels.shape[-1]
    pixel = (image * n_pix + row // supersampling) * n_pix + column // supersampling
    flux = pixels.flatten()
    left = coordinates.new_tensor([-0.25, 0.25, -0.25, 0.25])
    below = coordinates.new_tensor([-0.25, -0.25, 0.25, 0.25])
    while len(pixel):
        x = (x[:, None] + side * left).flatten()
        y = (y[:, None] + side * below).flatten()
        image, pixel = image.repeat_interleave(4), pixel.repeat_interleave(4)
        side = side / 2
        brightness, rough = _lensed_sersic(x, y, lens, light, image, side, tolerance)
        flux = flux.index_add(0, pixel[~rough], side**2 * brightness[~rough])
        x, y, image, pixel = x[rough], y[rough], image[rough], pixel[rough]
    return flux.view_as(pixels)


def _lensed_sersic(
    x: Tensor,
    y: Tensor,
    lens: Mapping[str, Tensor] | None,
    light: Mapping[str, Tensor],
    image,
    side: float,
    tolerance: float,
) -> tuple[Tensor, Tensor]:
    """Return brightness at points, and whether it is not good enough for squares around them.

    A midpoint does not do where it misses `tolerance` of flux, side^4 / 24 times the second
    derivative (of the size s (s + 1) I / R^2 with s the logarithmic slope), nor where a galaxy
    smaller than the square may hide in it. `image` indexes the parameters so that they broadcast
    with `x` and `y`.
    """
    light = {key: values[image] for key, values in light.items()}
    if lens is None:
        alpha_x = alpha_y = kappa = torch.zeros_like(x)
    else:
        lens = {key: values[image] for key, values in lens.items()}
        alpha_x, alpha_y = sie_deflection(x, y, **lens)
        kappa = sie_convergence(x, y, **lens)
    brightness, R, slope = sersic_and_slope(x - alpha_x, y - alpha_y, **light)
    if side <= SMOOTHING or tolerance == math.inf:
        return brightness, torch.zeros_like(brightness, dtype=torch.bool)
    # An isothermal lens maps lengths by 1 and by 1 - 2 kappa, which is large at its centre.
    stretch = (2 * kappa - 1).clamp(min=1)
    curvature = stretch**2 * slope * (slope + 1) * brightness / R**2
    hides = (R > light["R_sersic"]) & (R * light["q"].sqrt() < side * stretch)
    return brightness, hides | (curvature > 24 * tolerance / side**4)
