"""Scutt, Figure 1: what the lenses and sources of a training set are like."""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import truncnorm

from lenscnn.plotting.style import BLUE, VERMILION, new_figure, styled

_PANELS = {
    "theta_E": (r"Einstein radius $\theta_\mathrm{E}$ [arcsec]", r"Number density [arcsec$^{-1}$]"),
    "q": (r"Axis ratio $q$", "Number density"),
    "z_source": (r"Source redshift $z_\mathrm{s}$", "Number density"),
}


@styled
def geometry_figure(
    population: dict[str, np.ndarray], parents: dict[str, dict[str, float]], note: str | None
) -> Figure:
    """Draw the histograms of theta_E, q and z_source, with the distributions they were drawn from.

    Parameters
    ----------
    population
        Columns `theta_E` [arcsec], `q`, `z_source`, shape (n,).
    parents
        For each column the truncated normal distribution: `mean`, `sd`, `minimum`, `maximum`.
    note
        Stamp.

    Raises
    ------
    KeyError
        If a column or a parameter is missing.
    """
    figure = new_figure(2.3, note)
    panels = figure.subplots(1, len(_PANELS))
    for axes, (name, (label, density)) in zip(panels, _PANELS.items(), strict=True):
        values, parent = population[name], parents[name]
        mean, sd, low, high = (parent[key] for key in ("mean", "sd", "minimum", "maximum"))
        bins = np.linspace(low, high, int(np.clip(2 * len(values) ** (1 / 3), 8, 60)) + 1)
        axes.hist(values, bins, density=True, color=BLUE, alpha=0.6, label="training set")
        x = np.linspace(low, high, 400)
        law = truncnorm((low - mean) / sd, (high - mean) / sd, loc=mean, scale=sd)
        axes.plot(x, law.pdf(x), color=VERMILION, label="drawn from")
        axes.set(title=f"mean {mean:g}, width {sd:g}", xlabel=label, ylabel=density)
        axes.set_xlim(low, high)
    panels[-1].legend(loc="upper right")  # where the distribution has its long tail
    return figure
