"""pearson2019, Figure 4: simulated images, as each camera takes them."""

import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

from lenscnn.plotting.style import new_figure, styled

_SOFTENING = 3.0
"""Where the scale turns from linear to logarithmic, in standard deviations of the sky."""

_BLACK = -1.0
"""What is black, in standard deviations of the sky."""


@styled
def examples_figure(
    images: dict[str, np.ndarray],
    theta_E: dict[str, np.ndarray],
    cameras: dict[str, dict],
    note: str | None,
) -> Figure:
    """Draw one column a camera, one row an image, each image on a scale of its own.

    Parameters
    ----------
    images
        Electrons above the background by camera, in the order of the columns, shape
        (rows, C, H, W). Three bands are shown as red, green and blue, of others the first.
    theta_E
        Einstein radii, written on the images; shape (rows,) [arcsec].
    cameras
        ``label``, ``bands`` and ``pixel_scale`` [arcsec] by camera.
    note
        Stamp.
    """
    rows = len(next(iter(images.values())))
    figure = new_figure(1.6 * rows + 0.6, note)
    panels = figure.subplots(rows, len(images), sharex="col", sharey="col", squeeze=False)
    for column, (name, of_camera) in zip(panels.T, images.items(), strict=True):
        half = cameras[name]["pixel_scale"] * of_camera.shape[-1] / 2
        for axes, image, radius in zip(column, of_camera, theta_E[name], strict=True):
            extent = (-half, half, -half, half)
            if len(image) == 3:
                axes.imshow(_colours(image), extent=extent)
            else:
                axes.imshow(image[0], extent=extent, cmap="gray", norm=_grey_scale(image[0]))
            axes.annotate(
                rf"$\theta_\mathrm{{E}} = {radius:.2f}''$", (0.04, 0.95), color="white", size=7,
                xycoords="axes fraction", va="top",
            )  # fmt: skip
            axes.tick_params(color="white")
            axes.locator_params(nbins=6, steps=[1, 2, 5, 10])
        column[0].set_title(_title(cameras[name]))
        column[-1].set_xlabel(r"$x$ [arcsec]")
    for axes in panels[:, 0]:
        axes.set_ylabel(r"$y$ [arcsec]")
    return figure


def _title(camera: dict) -> str:
    bands = camera["bands"]
    if len(bands) == 1:
        return camera["label"]
    if len(bands) == 3:
        return f"{camera['label']}\nRGB = {', '.join(bands)}"
    return f"{camera['label']}\nband {bands[0]}"


def _sky_sigma(image: np.ndarray) -> float:
    """Return the sigma of the sky (H, W), from the outermost pixels, robust against galaxies."""
    border = np.concatenate([image[[0, -1]].ravel(), image[1:-1, [0, -1]].ravel()])
    return 1.4826 * np.median(np.abs(border - np.median(border)))


def _grey_scale(image: np.ndarray) -> AsinhNorm:
    sigma = _sky_sigma(image)
    return AsinhNorm(_SOFTENING * sigma, _BLACK * sigma, image.max())


def _colours(image: np.ndarray) -> np.ndarray:
    """Return red, green, blue (H, W, 3) of three bands (3, H, W), softened as `_grey_scale`."""
    sigma = np.mean([_sky_sigma(band) for band in image])
    above_black = image - _BLACK * sigma
    softening = _SOFTENING * sigma
    # Lupton et al. 2004 give a pixel the intensity 0.1 asinh(mean / softening) / asinh(0.1 Q) and
    # share it out among the bands. With this Q the brightest pixel keeps its colour, just.
    brightest = above_black.reshape(3, -1)[:, above_black.mean(axis=0).argmax()]
    mean = brightest.mean()
    q = 10 * np.sinh(0.1 * np.arcsinh(mean / softening) * brightest.max() / mean)
    return make_lupton_rgb(*above_black, stretch=q * softening, Q=q)
