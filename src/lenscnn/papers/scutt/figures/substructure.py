"""Scutt, Figure 2: masses of the subhaloes of lenses with different slopes."""

import numpy as np
from matplotlib.figure import Figure

from lenscnn.plotting.style import BLUE, new_figure, styled


@styled
def mass_figure(sample: dict[str, np.ndarray], note: str | None) -> Figure:
    """Draw subhaloes per lens against mass, one panel a slope, both axes logarithmic.

    Parameters
    ----------
    sample
        `alpha` (p,), `log10_mass_edges` (k + 1,) [log10 of solar masses], `counts` (p, k) the mean
        number of subhaloes per lens in each bin, `N_mean` and `N_sd` (p,).
    note
        Stamp.
    """
    figure = new_figure(2.3, note)
    edges, counts = 10 ** sample["log10_mass_edges"], sample["counts"]
    filled = np.flatnonzero(counts.sum(axis=0))
    panels = figure.subplots(1, len(counts), sharex=True, sharey=True)
    for axes, alpha, row, mean, sd in zip(
        panels, sample["alpha"], counts, sample["N_mean"], sample["N_sd"], strict=True
    ):
        axes.stairs(row, edges, fill=True, color=BLUE, alpha=0.7)
        axes.set_xlabel(r"Subhalo mass [M$_\odot$]")
        axes.annotate(
            f"$\\alpha = {alpha:.1f}$\n$N = {mean:.0f} \\pm {sd:.0f}$",
            (0.95, 0.95), xycoords="axes fraction", ha="right", va="top",
        )  # fmt: skip
    panels[0].set(
        xscale="log",
        yscale="log",
        xlim=(edges[filled[0]] / 1.5, edges[filled[-1] + 1] * 1.5),
        ylim=(0.5 * counts[counts > 0].min(), 5 * counts.max()),
        ylabel="Subhaloes per lens and bin",
    )
    return figure
