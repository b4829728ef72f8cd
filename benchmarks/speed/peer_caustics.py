"""The benchmark's scenes drawn with caustics: its formulas, batched by torch's vmap.

As fast as they go, so not by its simulator, which does more. Averages over sub-pixels and the PSF,
for which caustics has no function of its own, are torch's.
"""

import numpy as np
import torch
import torch.nn.functional as F
from caustics.lenses.func import reduced_deflection_angle_sie, reduced_deflection_angle_sis
from caustics.light.func import brightness_sersic
from torch.func import vmap

from lenscnn.core.conventions import pixel_centers
from lenscnn.lensing.light import sersic_b, sersic_peak
from lenscnn.lensing.psf import convolve_gaussian

SCUTT_BATCH, GALAXY_BATCH = 4, 16  # the fastest of those tried
LENS_KEYS = ("center_x", "center_y", "q", "phi", "theta_E")


def _grid(n_pix: int, pixel_scale: float, supersampling: int) -> tuple[torch.Tensor, ...]:
    points = pixel_centers(n_pix * supersampling, pixel_scale / supersampling)
    points = torch.as_tensor(points, dtype=torch.float32)
    return torch.meshgrid(points, points, indexing="xy")


def _columns(galaxy: dict, names: tuple[str, ...]) -> list[torch.Tensor]:
    return [torch.as_tensor(np.asarray(galaxy[name], np.float32)) for name in names]


def _batched(draw, columns: list[torch.Tensor], batch: int) -> torch.Tensor:
    parts = zip(*(column.split(batch) for column in columns), strict=True)
    return torch.cat([vmap(draw)(*part) for part in parts])


def scutt_images(lenses: dict, subhaloes: list, view: dict) -> np.ndarray:
    """Draw images (B, n_pix, n_pix) in units of the source's peak; as many subhaloes in each."""
    x, y = _grid(view["n_pix"], view["pixel_scale"], 1)
    # A Gaussian is the Sersic profile of n = 1/2 with k = 1/2, here of unit peak.
    gaussian = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.5, view["source_sigma"], np.exp(-0.5)])

    def draw(center_x, center_y, q, phi, theta_E, halos):
        main_x, main_y = reduced_deflection_angle_sie(center_x, center_y, q, phi, theta_E, x, y)
        sub_x, sub_y = vmap(lambda halo: reduced_deflection_angle_sis(*halo, x, y))(halos)
        beta_x, beta_y = x - main_x - sub_x.sum(0), y - main_y - sub_y.sum(0)
        return brightness_sersic(*gaussian, beta_x, beta_y, 0.5)

    halos = torch.as_tensor(np.stack([np.stack(one, 1) for one in subhaloes]), dtype=torch.float32)
    images = _batched(draw, [*_columns(lenses, LENS_KEYS), halos], SCUTT_BATCH)
    return convolve_gaussian(images[:, None], view["psf_sigma"] / view["pixel_scale"])[:, 0].numpy()


def galaxy_images(
    lens: dict, source: dict, light: dict,
    n_pix: int, pixel_scale: float, supersampling: int, psf_sigma: float,
) -> np.ndarray:  # fmt: skip
    """Draw images (B, 2, n_pix, n_pix) of sources and lens light of unit unlensed flux."""
    x, y = _grid(n_pix, pixel_scale, supersampling)

    def profile(galaxy):
        R, n, q = (torch.as_tensor(galaxy[name]) for name in ("R_sersic", "n_sersic", "q"))
        b = sersic_b(n)
        at_R = sersic_peak(R, n) * torch.exp(-b)
        shape = [q, torch.as_tensor(galaxy["phi"]), n, R / q.sqrt(), at_R, b]
        places = _columns(galaxy, ("center_x", "center_y"))
        return [*places, *(values.float() for values in shape)]

    def draw(center_x, center_y, q, phi, theta_E, *profiles):
        alpha_x, alpha_y = reduced_deflection_angle_sie(center_x, center_y, q, phi, theta_E, x, y)
        *shape, k = profiles[:8]
        lensed = brightness_sersic(*shape, x - alpha_x, y - alpha_y, k)
        *shape, k = profiles[8:]
        return torch.stack([lensed, brightness_sersic(*shape, x, y, k)])

    columns = [*_columns(lens, LENS_KEYS), *profile(source), *profile(light)]
    pixels = F.avg_pool2d(_batched(draw, columns, GALAXY_BATCH), supersampling)
    return (convolve_gaussian(pixels, psf_sigma / pixel_scale) * pixel_scale**2).numpy()
