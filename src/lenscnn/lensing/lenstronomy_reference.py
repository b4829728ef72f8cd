"""The same scenes drawn with lenstronomy, one lens at a time: slow, and written by others."""

from collections.abc import Mapping

import numpy as np

from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy


def deflection(
    x: np.ndarray,
    y: np.ndarray,
    lens: Mapping[str, float],
    subhaloes: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the deflection by one isothermal ellipsoid and its subhaloes.

    Parameters
    ----------
    x, y : ndarray
        Where to evaluate, arcsec; of one shape.
    lens
        `theta_E` (arcsec), `q`, `phi` (rad), `center_x`, `center_y` (arcsec).
    subhaloes : arrays, shape (N,)
        `center_x`, `center_y`, `theta_E`, arcsec.

    Returns
    -------
    alpha_x, alpha_y : ndarray
        Deflection, arcsec, shaped as `x`.
    """
    model, kwargs = _lens_model(lens, subhaloes)
    alpha_x, alpha_y = model.alpha(np.ravel(x), np.ravel(y), kwargs)
    return alpha_x.reshape(np.shape(x)), alpha_y.reshape(np.shape(x))


def image(
    lens: Mapping[str, float],
    subhaloes: tuple[np.ndarray, np.ndarray, np.ndarray],
    source: Mapping[str, float],
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
) -> np.ndarray:
    """Render one image of :func:`gaussian_sources.render`, with the same arguments.

    `lens` and `source` hold one number a key, and `subhaloes` has no bounds.

    Returns
    -------
    ndarray, shape (n_pix, n_pix)
        In units of the source's peak surface brightness.
    """
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LightModel.light_model import LightModel

    model, kwargs = _lens_model(lens, subhaloes)
    # lenstronomy's amplitude is the total flux, and its pixels hold flux, not surface brightness.
    amplitude = 2 * np.pi * source["sigma"] ** 2 / pixel_scale**2
    return ImageModel(
        *_camera(n_pix, pixel_scale, psf_sigma),
        lens_model_class=model,
        source_model_class=LightModel(["GAUSSIAN"]),
        kwargs_numerics={"supersampling_factor": supersampling},
    ).image(kwargs_lens=kwargs, kwargs_source=[{"amp": amplitude, **source}])


def _lens_model(lens: Mapping[str, float], subhaloes: tuple[np.ndarray, ...]):
    from lenstronomy.LensModel.lens_model import LensModel

    e1, e2 = q_phi_to_e1_e2_lenstronomy(lens["q"], lens["phi"])
    main = {key: lens[key] for key in ("theta_E", "center_x", "center_y")}
    kwargs = [{**main, "e1": e1, "e2": e2}]
    kwargs += [
        {"center_x": x, "center_y": y, "theta_E": theta_E}
        for x, y, theta_E in zip(*subhaloes, strict=True)
    ]
    return LensModel(["SIE"] + ["SIS"] * (len(kwargs) - 1)), kwargs


def galaxy_images(
    lens: Mapping[str, float],
    source: Mapping[str, float],
    lens_light: Mapping[str, float],
    n_pix: int,
    pixel_scale: float,
    supersampling: int,
    psf_sigma: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Render both images of :func:`sersic_galaxies.render_galaxies` for one lens.

    Every mapping holds one number a key. All sub-pixels are of one size, as with an infinite
    tolerance there.

    Returns
    -------
    source_image, lens_image : ndarray, shape (n_pix, n_pix)
    """
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LightModel.light_model import LightModel

    nothing = (np.empty(0),) * 3
    model, kwargs_lens = _lens_model(lens, nothing)
    sersic = LightModel(["SERSIC_ELLIPSE"])
    scene = ImageModel(
        *_camera(n_pix, pixel_scale, psf_sigma),
        lens_model_class=model,
        source_model_class=sersic,
        lens_light_model_class=sersic,
        kwargs_numerics={"supersampling_factor": supersampling},
    )
    kwargs_source = [_sersic(sersic, source)]
    centre = {"center_x": lens["center_x"], "center_y": lens["center_y"]}
    kwargs_light = [_sersic(sersic, {**lens_light, **centre})]
    return (
        scene.image(kwargs_lens, kwargs_source, kwargs_light, lens_light_add=False),
        scene.image(kwargs_lens, kwargs_source, kwargs_light, source_add=False),
    )


def _sersic(model, light: Mapping[str, float]) -> dict[str, float]:
    """Return a galaxy of unit total flux in lenstronomy's parameters."""
    e1, e2 = q_phi_to_e1_e2_lenstronomy(light["q"], light["phi"])
    same = {key: light[key] for key in ("R_sersic", "n_sersic", "center_x", "center_y")}
    kwargs = {"amp": 1.0, **same, "e1": e1, "e2": e2}
    return {**kwargs, "amp": 1 / model.total_flux([kwargs])[0]}


def pixels_of(n_pix: int, pixel_scale: float) -> dict:
    """Return where pixels are, as lenstronomy's grids and data take it."""
    corner = -(n_pix - 1) / 2 * pixel_scale
    axes = np.eye(2) * pixel_scale
    return {"transform_pix2angle": axes, "ra_at_xy_0": corner, "dec_at_xy_0": corner}


def _camera(n_pix: int, pixel_scale: float, psf_sigma: float):
    from lenstronomy.Data.pixel_grid import PixelGrid
    from lenstronomy.Data.psf import PSF
    from lenstronomy.Util.util import sigma2fwhm

    grid = PixelGrid(nx=n_pix, ny=n_pix, **pixels_of(n_pix, pixel_scale))
    if psf_sigma:
        psf = PSF(psf_type="GAUSSIAN", fwhm=sigma2fwhm(psf_sigma), pixel_size=pixel_scale)
    else:
        psf = PSF(psf_type="NONE")
    return grid, psf
