"""pearson2019, Figures 1-3: distributions of the detected test samples, with Gaussian fits."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenscnn.papers.pearson2019.selection import HISTOGRAM, MOMENTS, gaussian, histogram
from lenscnn.plotting.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, new_figure, styled

_AXES = {
    "theta_E": (r"Einstein radius $\theta_\mathrm{E}$ [arcsec]", r"Number density [arcsec$^{-1}$]"),
    "sigma_v": (r"Velocity dispersion $\sigma_v$ [km/s]", "Number density [(km/s)$^{-1}$]"),
    "z": ("Redshift", "Number density"),
}

_SYMBOL = {"theta_E": "", "sigma_v": "", "z_lens": " lenses", "z_source": " sources"}

_DECIMALS = {"theta_E": 2, "sigma_v": 0, "z_lens": 2, "z_source": 2}  # as the paper prints them

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)


@styled
def selection_figure(
    samples: dict[str, dict[str, np.ndarray]],
    literal: dict[str, dict[str, np.ndarray]],
    summary: pd.DataFrame,
    panels: list[list[str]],
    labels: dict[str, str],
    note: str | None,
) -> Figure:
    """Draw histograms of samples, their Gaussian fits and the paper's (Figures 1-3).

    Where moments are taken for a fit (`selection.resampled_fits`) the legend says so.

    Parameters
    ----------
    samples
        Catalogues by sample.
    literal
        Catalogues of the literal reading of the population, of those samples that have one.
    summary
        Rows of `papers.pearson2019.selection.summarise` for `samples`.
    panels
        Columns to show in each panel.
    labels
        Names of the samples.
    note
        Stamp.
    """
    figure = new_figure(3.4 * len(panels), note)
    for axes, quantities in zip(
        figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True
    ):
        series = [(sample, name) for name in quantities for sample in samples]
        for (sample, name), colour in zip(series, itertools.cycle(_COLOURS)):
            row = summary[(summary["draw"] == sample) & (summary["quantity"] == name)].iloc[0]
            _draw_sample(axes, samples[sample][name], row, labels[sample], colour)
            if sample in literal:
                edges, density = histogram(literal[sample][name])
                axes.stairs(density, edges, color=colour, linewidth=0.6, linestyle=(0, (4, 2)))
        if summary["printed_mean"].notna().any():
            axes.plot([], [], color="0.4", linestyle=(0, (1, 1)), label="the paper's fits")
        if literal:
            axes.plot([], [], color="0.4", linewidth=0.6, linestyle=(0, (4, 2)),
                      label="literal reading of the population")  # fmt: skip
        xlabel, ylabel = _AXES["z" if quantities[0].startswith("z") else quantities[0]]
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_xlim(left=0 if quantities[0] != "sigma_v" else None)
        axes.margins(y=0.02)
        axes.set_ylim(top=1.35 * axes.get_ylim()[1])
        axes.legend(loc="upper right")
    return figure


def _draw_sample(axes: Axes, values: np.ndarray, row: pd.Series, label: str, colour: str) -> None:
    """Draw one histogram, its fit or moments and, where there is one, the printed fit."""
    edges, density = histogram(values)
    axes.stairs(density, edges, color=colour, fill=True, alpha=0.25)
    numbers = (row[key] for key in ("fit_mean", "fit_sd", "printed_mean", "printed_sd"))
    mean, sd, printed_mean, printed_sd = (f"{x:.{_DECIMALS[row['quantity']]}f}" for x in numbers)
    is_printed = row.notna()["printed_mean"]
    method = {HISTOGRAM: "fit", MOMENTS: "moments"}[row["fit_method"]]
    label = f"{label}{_SYMBOL[row['quantity']]}: {method} {mean}, {sd}"
    label += f"  (paper {printed_mean}, {printed_sd})" if is_printed else ""
    x = np.linspace(edges[0], edges[-1], 300)
    fit = gaussian(x, *row[["fit_amplitude", "fit_mean", "fit_sd"]].astype(float))
    axes.plot(x, fit, color=colour, label=label)
    if is_printed:
        sd = row["printed_sd"]
        printed = gaussian(x, 1 / (np.sqrt(2 * np.pi) * sd), row["printed_mean"], sd)
        axes.plot(x, printed, color=colour, linestyle=(0, (1, 1)))
