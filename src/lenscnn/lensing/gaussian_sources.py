"""Images of Gaussian sources behind isothermal ellipsoids with subhaloes."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lenscnn.core.conventions import pixel_centers
from lenscnn.lensing.checks import LENS_KEYS, SUBPIXELS_AT_ONCE, check_parameters, compiled_can_draw
from lenscnn.lensing.isothermal import sie_deflection
from lenscnn.lensing.kernels import gaussian as kernel
from lenscnn.lensing.kernels.threads import in_threads
from lenscnn.lensing.light import gaussian
from lenscnn.lensing.psf import convolve_gaussian, gaussian_kernel
from lenscnn.lensing.subhaloes import check_subhaloes, subhalo_deflection

SOURCE_KEYS = ("sigma", "center_x", "center_y")


def render(
    lens: Mapping[str, Tensor],
    subhaloes: tuple[Tensor, Tensor, Tensor, Tensor],
    source: Mapping[str, Tensor],
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
) -> Tensor:
    """Render noise-free images of Gaussian sources behind isothermal lenses with subhaloes.

    The surface brightness is averaged over `supersampling` x `supersampling` sub-pixels, then
    convolved with the point-spread function on the grid of whole pixels. In float32 on the CPU an
    image does not depend on the others in its batch, to the last bit.

    Parameters
    ----------
    lens : mapping of Tensors, shape (B,)
        `theta_E` (arcsec), `q` (0 < q <= 1), `phi` (rad), `center_x`, `center_y` (arcsec) of the
        main lens.
    subhaloes
        `offsets`, `center_x`, `center_y`, `theta_E` as in :func:`subhalo_deflection`; positions
        are on the sky, not relative to the main lens.
    source : mapping of Tensors, shape (B,)
        `sigma`, `center_x`, `center_y` of the source, arcsec, in the source plane.
    n_pix
        Pixels along each axis.
    pixel_scale
        Size of a pixel, arcsec.
    supersampling
        Sub-pixels along each axis of a pixel.
    psf_sigma
        Standard deviation of the Gaussian PSF, arcsec; 0 for none.

    Returns
    -------
    Tensor, shape (B, 1, n_pix, n_pix)
        In units of the source's peak surface brightness; axes are (image, band, y, x).

    Raises
    ------
    ValueError
        If a parameter is missing, unknown or of another shape or dtype, q lies outside (0, 1],
        or `offsets` does not bound the subhaloes of B images.
    """
    n_images = len(subhaloes[0]) - 1
    check_parameters(lens, LENS_KEYS, "lens", n_images)
    check_parameters(source, SOURCE_KEYS, "source", n_images)
    tensors = (*lens.values(), *subhaloes[1:], *source.values())
    dtypes = {t.dtype for t in tensors}
    if len(dtypes) > 1:
        raise ValueError(f"lens, subhaloes and source must share one dtype; they have {dtypes}")
    if n_images == 0:
        return lens["q"].new_zeros((0, 1, n_pix, n_pix))
    if not bool(((lens["q"] > 0) & (lens["q"] <= 1)).all()):
        raise ValueError("lens q must lie in (0, 1]: it is the minor over the major axis")

    q = lens["q"]
    coordinates = torch.as_tensor(
        pixel_centers(n_pix * supersampling, pixel_scale / supersampling),
        dtype=q.dtype,
        device=q.device,
    )
    draw = _render_compiled if compiled_can_draw(tensors) else _render_torch
    return draw(lens, subhaloes, source, coordinates, supersampling, psf_sigma / pixel_scale)


def _render_compiled(
    lens: Mapping[str, Tensor],
    subhaloes: tuple[Tensor, Tensor, Tensor, Tensor],
    source: Mapping[str, Tensor],
    coordinates: Tensor,
    supersampling: int,
    sigma_pix: float,
) -> Tensor:
    offsets, *halo_tensors = subhaloes
    check_subhaloes(offsets.tolist(), coordinates, coordinates, *halo_tensors)
    n_pix = len(coordinates) // supersampling
    images = coordinates.new_empty((len(offsets) - 1, n_pix, n_pix))
    arguments = [
        t.detach().contiguous().numpy()
        for t in (
            coordinates,
            torch.stack([lens[key] for key in LENS_KEYS]),
            *subhaloes,
            torch.stack([source[key] for key in SOURCE_KEYS]),
            coordinates.new_tensor(gaussian_kernel(sigma_pix)),
            images,
        )
    ]
    in_threads(lambda first, last: kernel.render(first, last, *arguments), len(offsets) - 1)
    return images[:, None]


def _render_torch(
    lens: Mapping[str, Tensor],
    subhaloes: tuple[Tensor, Tensor, Tensor, Tensor],
    source: Mapping[str, Tensor],
    coordinates: Tensor,
    supersampling: int,
    sigma_pix: float,
) -> Tensor:
    offsets, *halo_tensors = subhaloes
    n_images = len(offsets) - 1
    chunk = max(1, SUBPIXELS_AT_ONCE // len(coordinates) ** 2)
    parts = []
    for first in range(0, n_images, chunk):
        part = slice(first, first + chunk)
        brightness = _lensed_source(
            coordinates,
            {key: values[part] for key, values in lens.items()},
            (offsets[first : first + chunk + 1], *halo_tensors),
            {key: values[part] for key, values in source.items()},
        )
        pixels = F.avg_pool2d(brightness[:, None], supersampling)
        parts.append(convolve_gaussian(pixels, sigma_pix))
    return torch.cat(parts)


def _lensed_source(
    coordinates: Tensor,
    lens: Mapping[str, Tensor],
    subhaloes: tuple[Tensor, ...],
    source: Mapping[str, Tensor],
) -> Tensor:
    """Return the surface brightness on the square grid `coordinates` x `coordinates`."""
    x, y = coordinates[None, None, :], coordinates[None, :, None]
    main_x, main_y = sie_deflection(x, y, **{k: v[:, None, None] for k, v in lens.items()})
    sub_x, sub_y = subhalo_deflection(coordinates, coordinates, *subhaloes)
    return gaussian(
        x - main_x - sub_x,
        y - main_y - sub_y,
        **{k: v[:, None, None] for k, v in source.items()},
    )
