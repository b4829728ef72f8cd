"""pearson2019, Figures 1-3: distributions of the detected test samples, with Gaussian fits."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lenscnn.papers.pearson2019.selection import gaussian, histogram
from lenscnn.plotting.style import BLUE, GREEN, ORANGE, VERMILION, new_figure, styled

_AXES = {
    "theta_E": (r"Einstein radius $\theta_\mathrm{E}$ [arcsec]", r"Number density [arcsec$^{-1}$]"),
    "sigma_v": (r"Velocity dispersion $\sigma_v$ [km/s]", "Number density [(km/s)$^{-1}$]"),
    "z": ("Redshift", "Number density"),
}

_SYMBOL = {"theta_E": "", "sigma_v": "", "z_lens": " lenses", "z_source": " sources"}

_DECIMALS = {"theta_E": 2, "sigma_v": 0, "z_lens": 2, "z_source": 2}  # as the paper prints them

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE)

_SURVEY = {"euclid": "Euclid", "lsst": "LSST"}


@styled
def selection_figure(
    samples: dict[str, dict[str, np.ndarray]],
    literal: dict[str, dict[str, np.ndarray]],
    summary: pd.DataFrame,
    quantities: list[str],
    note: str | None,
) -> Figure:
    """Draw histograms for each survey, their Gaussian fits and the paper's (Figures 1-3).

    Parameters
    ----------
    samples, literal
        Catalogues by survey, of the calibrated and of the literal reading of the population.
    summary
        Rows of `papers.pearson2019.selection.summarise` for `samples`.
    quantities
        Columns to show, in one panel.
    note
        Stamp.
    """
    figure = new_figure(3.4, note)
    axes = figure.subplots()
    series = [(survey, name) for name in quantities for survey in samples]
    for (survey, name), colour in zip(series, _COLOURS, strict=False):
        edges, density = histogram(samples[survey][name])
        row = summary[(summary["draw"] == survey) & (summary["quantity"] == name)].iloc[0]
        numbers = (row[key] for key in ("fit_mean", "fit_sd", "printed_mean", "printed_sd"))
        mean, sd, printed_mean, printed_sd = (f"{x:.{_DECIMALS[name]}f}" for x in numbers)
        label = (
            f"{_SURVEY[survey]}{_SYMBOL[name]}: fit {mean}, {sd}"
            f"  (paper {printed_mean}, {printed_sd})"
        )
        axes.stairs(density, edges, color=colour, fill=True, alpha=0.25)
        x = np.linspace(edges[0], edges[-1], 300)
        fit = gaussian(x, *row[["fit_amplitude", "fit_mean", "fit_sd"]].astype(float))
        axes.plot(x, fit, color=colour, label=label)
        sd = row["printed_sd"]
        printed = gaussian(x, 1 / (np.sqrt(2 * np.pi) * sd), row["printed_mean"], sd)
        axes.plot(x, printed, color=colour, linestyle=(0, (1, 1)))
        edges, density = histogram(literal[survey][name])
        axes.stairs(density, edges, color=colour, linewidth=0.6, linestyle=(0, (4, 2)))
    axes.plot([], [], color="0.4", linestyle=(0, (1, 1)), label="the paper's fits")
    axes.plot([], [], color="0.4", linewidth=0.6, linestyle=(0, (4, 2)),
              label="literal reading of the population")  # fmt: skip
    xlabel, ylabel = _AXES["z" if quantities[0].startswith("z") else quantities[0]]
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xlim(left=0 if quantities[0] != "sigma_v" else None)
    axes.margins(y=0.02)
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])
    axes.legend(loc="upper right")
    return figure
