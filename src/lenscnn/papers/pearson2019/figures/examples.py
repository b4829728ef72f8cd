"""pearson2019, Figure 4: simulated images, as each camera takes them."""

import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

from lenscnn.plotting.style import new_figure, styled

_TITLES = {"vis": "Euclid VIS", "r": r"LSST $r$", "gri": r"LSST, RGB = $i$, $r$, $g$"}

_SOFTENING = 3.0
"""Where the scale turns from linear to logarithmic, in standard deviations of the sky."""

_BLACK = -1.0
"""What is black, in standard deviations of the sky."""


@styled
def examples_figure(
    images: dict[str, np.ndarray],
    theta_E: dict[str, np.ndarray],
    pixel_scale: dict[str, float],
    note: str | None,
) -> Figure:
    """Draw one column a view, one row an image, each image on a scale of its own.

    Parameters
    ----------
    images
        Electrons above the background by view, in the order of the columns: of "vis", "r" and
        "gri", shape (rows, C, H, W) with one band or with those for red, green and blue. "r" and
        "gri" show the same lenses, "vis" shows others.
    theta_E
        Einstein radii, written on the images; shape (rows,) [arcsec].
    pixel_scale
        [arcsec]
    note
        Stamp.
    """
    rows = len(next(iter(images.values())))
    figure = new_figure(1.6 * rows + 0.6, note)
    panels = figure.subplots(rows, len(images), sharex="col", sharey="col", squeeze=False)
    for column, view in zip(panels.T, images, strict=True):
        half = pixel_scale[view] * images[view].shape[-1] / 2
        for axes, image, radius in zip(column, images[view], theta_E[view], strict=True):
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
        column[0].set_title(_TITLES[view])
        column[-1].set_xlabel(r"$x$ [arcsec]")
    for axes in panels[:, 0]:
        axes.set_ylabel(r"$y$ [arcsec]")
    return figure


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
