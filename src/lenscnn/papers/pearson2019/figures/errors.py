"""pearson2019, Figures 8 and 10-14: errors against the lens, its light, and the noise."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenscnn.papers.pearson2019.figures.cameras import LIGHT, camera_and_light, look_of
from lenscnn.papers.pearson2019.metrics import MIN_LENSES
from lenscnn.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
    styled,
)
from lenscnn.stats.over_seeds import rms_of

COLUMNS = {
    "fractional_theta_E": "Einstein radius, fractional error",
    "phi": "Orientation [rad]",
    "ellipticity": "Ellipticity $1 - b/a$",
}

ROWS = {
    "theta_E": r"Einstein radius $\theta_\mathrm{E}$ [arcsec]",
    "phi": r"Orientation $\phi$ [rad]",
    "ellipticity": "Ellipticity $1 - b/a$",
    "theta_E_over_R_e": r"$\theta_\mathrm{E}$ / effective radius of the lens",
}

ROW_OF_LIGHT = "theta_E_over_R_e"  # means nothing where the light is removed

PANELS = {
    "theta_E": "RMS error of Einstein\nradius [arcsec]",
    "phi": "RMS error of\norientation [rad]",
    "ellipticity": "RMS error of\nellipticity $1 - b/a$",
}

_LINES = [
    {"color": colour, "marker": marker, "markersize": 4}
    for colour, marker in (
        (BLUE, "s"), (GREEN, "D"), (ORANGE, "p"), (VERMILION, "o"), (PURPLE, "^"), (SKY, "v")
    )
]  # fmt: skip

_SCATTER = {
    "phi": (
        r"Scatter $\sigma_\phi$ of orientation between light and mass in the test data [deg]",
        r"trained at $\sigma_\phi = {:g}$°",
    ),
    "e": (
        r"Scatter $\sigma_e$ of ellipticity between light and mass in the test data",
        r"trained at $\sigma_e = {:g}$",
    ),
    "both": (
        "Scatter between light and mass in the test data, in multiples of that of SLACS",
        "trained at {:g} × SLACS",
    ),
}

SERIES = {
    "theta_E": (r"$\theta_\mathrm{E}$ [arcsec]", BLUE, "D", 1),
    "e1": ("$e_1$", ORANGE, "p", 1),
    "e2": ("$e_2$", GREEN, "h", 1),
    "phi": (r"$\phi / \pi$", VERMILION, "o", 1 / np.pi),
    "ellipticity": ("ellipticity $1 - b/a$", PURPLE, "s", 1),
}


@styled
def parameter_figure(
    binned: dict[str, pd.DataFrame], cameras: Mapping[str, dict], note: str | None
) -> Figure:
    """Draw RMS errors against properties of the lens, a curve for each view (Figure 8).

    Rows of panels: the true theta_E, phi, ellipticity, and theta_E over the effective radius of
    the lens light, this one for the views that keep it. Points lie at the mean of their bin.

    Parameters
    ----------
    binned
        Rows of `papers.pearson2019.metrics.evaluate_binned` by view ``<camera>_<removed or kept>``.
        Those of the network trained on the view itself are shown.
    cameras
        As `cameras.look_of` takes them.
    note
        Stamp.

    Raises
    ------
    ValueError
        If a view lacks the network trained on it.
    """
    rows = rows_for(binned)
    figure, panels = parameter_panels(rows, note)
    looks, order = look_of(cameras), list(cameras)
    for view in sorted(binned, key=lambda view: order.index(camera_and_light(view)[0])):
        camera, light = camera_and_light(view)
        (name, colour), (fate, dashes) = looks[camera], LIGHT[light]
        table = filled(rms_of(binned[view], view, ["by", "low", "target"]))
        for row, by in zip(panels, rows, strict=True):
            if by == ROW_OF_LIGHT and light != "kept":
                continue
            for axes, target in zip(row, COLUMNS, strict=True):
                chosen = table[(table["by"] == by) & (table["target"] == target)]
                axes.errorbar(
                    chosen["mean"], chosen["rms"], chosen["rms_error"], color=colour,
                    linestyle=dashes, marker="o", markersize=2.5,
                    label=f"{name}, lens light {fate}",
                )  # fmt: skip
    longest = max(len(label) for label in panels[0, 0].get_legend_handles_labels()[1])
    _finish(figure, panels.flat, ncols=3 if longest <= 32 else 2)  # as many as the page holds
    return figure


def rows_for(views) -> dict[str, str]:
    """Return the rows of panels for some views, and their labels."""
    kept = any(camera_and_light(view)[1] == "kept" for view in views)
    return {by: label for by, label in ROWS.items() if kept or by != ROW_OF_LIGHT}


def parameter_panels(rows: dict[str, str], note: str | None) -> tuple[Figure, np.ndarray]:
    """Make the panels of errors against properties of the lens: `rows` by `COLUMNS`."""
    figure = new_figure(2.05 * len(rows), note)
    panels = figure.subplots(len(rows), len(COLUMNS), sharex="row")
    for row, label in zip(panels, rows.values(), strict=True):
        row[0].set_ylabel("RMS error")
        row[1].set_xlabel(label)
    for axes, title in zip(panels[0], COLUMNS.values(), strict=True):
        axes.set_title(title)
    return figure, panels


@styled
def scatter_figure(
    metrics: list[pd.DataFrame],
    control: pd.DataFrame,
    tested: list[float],
    trained: dict[str, float],
    axis: str,
    slacs: float,
    note: str | None,
) -> Figure:
    """Draw the RMS errors against the scatter of light about mass in the test data (Figures 10-12).

    Parameters
    ----------
    metrics
        Rows of `papers.pearson2019.metrics.evaluate`, one frame a test view.
    control
        Those of the view whose lens light is removed, and with it the scatter.
    tested
        Scatter in each test view.
    trained
        Scatter by view of training, one line each.
    axis
        What is scattered: "phi" [deg], "e" or "both" [multiples of the scatter of SLACS].
    slacs
        Where SLACS lies on the axis.
    note
        Stamp.

    Raises
    ------
    ValueError
        If a test view lacks a network, or there are more lines than can be told apart.
    """
    xlabel, label = _SCATTER[axis]
    labels = {view: label.format(value) for view, value in trained.items()}
    figure, panels = _trained_and_tested(metrics, tested, labels, note)
    (view,) = control["view"].unique()
    table = rms_of(control, view, ["target"]).set_index("target")
    for axes, target in zip(panels, PANELS, strict=True):
        rms, error = table.loc[target, ["rms", "rms_error"]]
        axes.axhline(
            rms, color=BLACK, linestyle="--", zorder=1, label="lens light removed (control)"
        )
        axes.axhspan(rms - error, rms + error, color="0.88", zorder=0)
        axes.axvline(slacs, color=BLACK, linewidth=0.6, zorder=1, label="scatter of SLACS")
    panels[-1].set_xlabel(xlabel)
    _finish(figure, panels, ncols=3)
    return figure


@styled
def snr_figure(
    binned: dict[str, pd.DataFrame],
    bright: dict[str, pd.DataFrame],
    bright_from: float,
    cameras: Mapping[str, dict],
    note: str | None,
) -> Figure:
    """Draw RMS errors against signal-to-noise, one panel a view (Figure 13).

    Points lie at the lower edges of their bins. An open point is that of a test set of bright
    systems alone, as the main one has next to none of them.

    Parameters
    ----------
    binned
        Rows of `papers.pearson2019.metrics.evaluate_binned` by view ``<camera>_<removed or kept>``.
    bright
        Rows of `papers.pearson2019.metrics.evaluate` by such a view, of its bright systems; there
        may be none.
    bright_from
        Their smallest SNR.
    cameras
        As `cameras.look_of` takes them.
    note
        Stamp.

    Raises
    ------
    ValueError
        If metrics lack the view's network.
    """
    figure = new_figure(2.3 * len(binned) + 0.5, note)
    panels = figure.subplots(len(binned), 1, sharex=True, squeeze=False)[:, 0]
    lows, looks = {bright_from} if bright else set(), look_of(cameras)
    for axes, (view, metrics) in zip(panels, binned.items(), strict=True):
        table = rms_of(metrics[metrics["by"] == "snr"], view, ["low", "target"])
        lows |= set(table["low"])
        drawn = [(filled(table), {})]
        if view in bright:
            last = filled(rms_of(bright[view], view, ["target"])).assign(low=bright_from)
            drawn.append((last, {"linestyle": "none", "markerfacecolor": "white"}))
        for target, (label, colour, marker, factor) in SERIES.items():
            style = {"color": colour, "marker": marker, "markersize": 4.5}
            for (rows, options), shown in zip(drawn, (label, None), strict=False):
                chosen = rows[rows["target"] == target]
                axes.errorbar(
                    chosen["low"], factor * chosen["rms"], factor * chosen["rms_error"],
                    label=shown, **style, **options,
                )  # fmt: skip
        if view in bright:
            axes.errorbar(
                [], [], [], fmt="o", color="0.3", markersize=4.5, markerfacecolor="white",
                label=rf"SNR $\geq$ {bright_from:g}: bright test set",
            )  # fmt: skip
        camera, light = camera_and_light(view)
        axes.set(ylabel="RMS error", title=f"{looks[camera][0]}, lens light {LIGHT[light][0]}")
    panels[-1].set(xscale="log", xlabel="Signal-to-noise ratio of the source (lower edge of bin)")
    tick(panels[-1], sorted(lows))
    panels[-1].set_xlim(min(lows) / 1.15, max(lows) * 1.15)
    _finish(figure, panels, ncols=6)
    return figure


@styled
def visits_figure(
    metrics: list[pd.DataFrame], visits: list[int], trained: dict[str, int], note: str | None
) -> Figure:
    """Draw the RMS errors against the number of visits in the stacked test images (Figure 14).

    Parameters
    ----------
    metrics
        Rows of `papers.pearson2019.metrics.evaluate`, one frame a test view.
    visits
        Visits in each test view.
    trained
        Visits by view of training, one line each.
    note
        Stamp.

    Raises
    ------
    ValueError
        If a test view lacks a network, or there are more lines than can be told apart.
    """
    labels = {view: f"trained on {n} visit{'s' * (n > 1)}" for view, n in trained.items()}
    figure, panels = _trained_and_tested(metrics, visits, labels, note)
    panels[-1].set(xscale="log", xlabel="Visits in a stacked test image")
    tick(panels[-1], visits)
    _finish(figure, panels, ncols=4)
    return figure


def _trained_and_tested(
    metrics: list[pd.DataFrame], tested: Sequence[float], labels: dict[str, str], note: str | None
) -> tuple[Figure, np.ndarray]:
    """Draw a panel for each of `PANELS`: RMS errors against `tested`, a line a training view."""
    if len(labels) > len(_LINES):
        raise ValueError(f"{len(labels)} lines, of which {len(_LINES)} can be told apart")
    figure = new_figure(6.6, note)
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for (view, label), style in zip(labels.items(), _LINES, strict=False):
        tables = [rms_of(frame, view, ["target"]).set_index("target") for frame in metrics]
        for axes, target in zip(panels, PANELS, strict=True):
            rms, error = zip(
                *(table.loc[target, ["rms", "rms_error"]] for table in tables), strict=True
            )
            axes.errorbar(tested, rms, error, label=label, **style)
    for axes, label in zip(panels, PANELS.values(), strict=True):
        axes.set_ylabel(label)
    return figure, panels


def filled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the bins that hold `MIN_LENSES` lenses."""
    return table[table["n"] >= MIN_LENSES]


def tick(axes: Axes, values: Sequence[float]) -> None:
    """Label these values of a logarithmic axis and no others."""
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.xaxis.minorticks_off()


def _finish(figure: Figure, panels, ncols: int) -> None:
    """Put the legend above all panels, errors from zero upwards, empty panels explained."""
    panels = list(panels)
    for axes in panels:
        axes.set_ylim(bottom=0)
        if not any(len(line.get_xdata()) for line in axes.lines):
            axes.text(0.5, 0.5, f"no bin of {MIN_LENSES} lenses", transform=axes.transAxes,
                      ha="center", va="center", color="0.45")  # fmt: skip
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols, handlelength=2.5)
