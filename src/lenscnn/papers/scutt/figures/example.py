"""Scutt, Figure 3: one lens, from its source to its image."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from lenscnn.plotting.style import VERMILION, new_figure, styled

_LARGEST_MARKER = 60  # area [pt^2]

_SMALLEST_MARKER = 0.8


@styled
def example_figure(example: dict[str, np.ndarray], pixel_scale: float, note: str | None) -> Figure:
    """Draw source, surface mass density, and lensed image with the subhaloes on it.

    Parameters
    ----------
    example
        `source`, `kappa`, `image` (H, W) on the same square of sky, and `sub_x`, `sub_y`,
        `sub_theta_E` (n,) [arcsec] of the subhaloes.
    pixel_scale
        Of the image [arcsec].
    note
        Stamp.
    """
    figure = new_figure(3.0, note)
    half = pixel_scale * example["image"].shape[1] / 2
    log_scale = {"ticks": LogLocator(subs=(1, 2, 5)), "format": "{x:g}"}
    brightness = "Surface brightness [arbitrary units]"
    shown = [
        ("source", "Source", brightness, {"norm": _norm(example["source"])}, {}),
        (
            "kappa",
            "Surface mass density",
            r"Convergence $\kappa$",
            {"norm": _log_norm(example["kappa"])},
            log_scale,
        ),
        (
            "image",
            "Lensed image",
            brightness,
            {"cmap": "gray_r", "norm": _norm(example["image"])},
            {},
        ),
    ]
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, (name, title, label, options, scale) in zip(panels, shown, strict=True):
        drawn = axes.imshow(example[name], extent=(-half, half, -half, half), **options)
        bar = figure.colorbar(drawn, ax=axes, location="bottom", label=label, aspect=25, **scale)
        bar.ax.minorticks_off()
        axes.set(title=title, xlabel=r"$x$ [arcsec]")
    panels[0].set_ylabel(r"$y$ [arcsec]")
    _draw_subhaloes(panels[2], example["sub_x"], example["sub_y"], example["sub_theta_E"])
    panels[2].set(xlim=(-half, half), ylim=(-half, half))
    return figure


def _rounded(limits) -> list[float]:
    """Round to four digits: kinds of CPU differ in the eighth, and ticks would move with it."""
    return [float(f"{limit:.4g}") for limit in limits]


def _norm(values: np.ndarray) -> Normalize:
    low, high = _rounded((values.min(), values.max()))
    return Normalize(low, high)


def _log_norm(kappa: np.ndarray) -> LogNorm:
    # A singular pixel at a subhalo's centre must not take the whole scale.
    low, high = _rounded(np.percentile(kappa[kappa > 0], [0.5, 99.8]))
    return LogNorm(low, high)


def _draw_subhaloes(axes: Axes, x: np.ndarray, y: np.ndarray, theta_E: np.ndarray) -> None:
    """Draw rings with areas proportional to the subhaloes' Einstein radii, and their key."""
    largest = theta_E.max()
    area = np.maximum(_LARGEST_MARKER * theta_E / largest, _SMALLEST_MARKER)
    ring = {"facecolors": "none", "edgecolors": VERMILION, "linewidths": 0.5}
    axes.scatter(x, y, area, **ring)
    for fraction in (1, 0.1):
        label = f"{1e3 * fraction * largest:.2g} mas"
        axes.scatter([], [], _LARGEST_MARKER * fraction, label=label, **ring)
    axes.legend(
        title=r"subhalo $\theta_\mathrm{E}$", loc="upper right", fontsize=6, title_fontsize=6,
        frameon=True, framealpha=0.85, borderpad=0.3, handletextpad=0.3, labelspacing=0.3,
    )  # fmt: skip
