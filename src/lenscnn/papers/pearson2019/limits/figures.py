"""Limits under the points of pearson2019's Figures 8 and 10 to 14."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from lenscnn.papers.pearson2019.figures.cameras import camera_and_light, look_of
from lenscnn.papers.pearson2019.figures.errors import (
    COLUMNS,
    PANELS,
    SERIES,
    filled,
    parameter_panels,
    rows_for,
    tick,
)
from lenscnn.papers.pearson2019.limits.metrics import LIMIT
from lenscnn.plotting.style import BLACK, BLUE, VERMILION, new_figure, styled
from lenscnn.stats.over_seeds import rms_of

SCATTERED = {"e1": "RMS error of $e_1$", "phi": r"RMS error of $\phi$ [rad]"}
"""What is shown of misalignment, by row of panels."""

_SCATTER = {
    "phi": r"Scatter $\sigma_\phi$ [deg]",
    "e": r"Scatter $\sigma_e$",
    "both": "Both, in multiples of SLACS's",
}

NETWORK = "cnn"
"""What a table of fits calls the network itself."""

STARTS = {
    "truth_alone": "from the truth, no prior",
    "truth": "from the truth",
    "network": "from the network",
    "blind": "blind",
    "lenstronomy_network": "lenstronomy, network",
    "lenstronomy_blind": "lenstronomy, blind",
    NETWORK: "the network itself",
}
"""Where fits start, from the top of the figure, as it calls them."""

_MARK: dict = {"marker": "o", "markersize": 4.5, "linestyle": "none"}
_LIMIT_MARK: dict = {
    "marker": "|", "markersize": 9, "markeredgewidth": 1.6, "linestyle": "none", "zorder": 1
}  # fmt: skip


def _explain(figure: Figure, axes, ncols: int) -> None:
    """Put a legend above all panels that says what points and lines are."""
    axes.errorbar(
        [], [], [], color="0.4", marker="o", markersize=3, linestyle="none", label="network"
    )
    axes.plot([], [], color="0.4", label="estimated limit")
    _add_legend(figure, axes, ncols)


def _add_legend(figure: Figure, axes, ncols: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols, handlelength=2.0)


@styled
def parameter_figure(
    errors: dict[str, pd.DataFrame],
    limits: dict[str, pd.DataFrame],
    cameras: Mapping[str, dict],
    note: str | None,
) -> Figure:
    """Draw errors and limits against properties of the lens (beside Figure 8).

    Parameters
    ----------
    errors
        Rows of `metrics.evaluate_binned` by view.
    limits
        Rows of `limits.metrics.binned_limits` by view.
    cameras
        As `cameras.look_of` takes them.
    note
        Stamp.

    Raises
    ------
    ValueError
        If a view lacks the network trained on it.
    """
    rows = rows_for(errors)
    figure, panels = parameter_panels(rows, note)
    for view in errors:
        name, colour = look_of(cameras)[camera_and_light(view)[0]]
        network = filled(rms_of(errors[view], view, ["by", "low", "target"]))
        frame = limits[view]
        limit = filled(frame[frame["kind"] == LIMIT])
        for panel_row, by in zip(panels, rows, strict=True):
            for axes, target in zip(panel_row, COLUMNS, strict=True):
                found, least = (
                    table[(table["by"] == by) & (table["target"] == target)]
                    for table in (network, limit)
                )
                axes.errorbar(
                    found["mean"], found["rms"], found["rms_error"], color=colour, marker="o",
                    markersize=3, linestyle="none",
                )  # fmt: skip
                axes.plot(least["mean"], least["rms"], color=colour, label=name)
    for axes in panels.flat:
        axes.set_ylim(bottom=0)
    _explain(figure, panels.flat[0], ncols=5)
    return figure


@styled
def snr_figure(
    errors: dict[str, pd.DataFrame],
    limits: dict[str, pd.DataFrame],
    cameras: Mapping[str, dict],
    note: str | None,
) -> Figure:
    """Draw errors and limits against signal-to-noise, lens light removed (beside Figure 13).

    Points lie at the lower edges of their bins.

    Parameters
    ----------
    errors, limits, cameras
        As for `parameter_figure`.
    note
        Stamp.

    Raises
    ------
    ValueError
        If metrics lack the view's network.
    """
    figure = new_figure(7.4, note)
    panels = figure.subplots(len(errors), 1, sharex=True, squeeze=False)[:, 0]
    lows: set[float] = set()
    for axes, view in zip(panels, errors, strict=True):
        metrics, frame = errors[view], limits[view]
        metrics = metrics[metrics["by"] == "snr"]
        network = filled(rms_of(metrics, view, ["low", "target"]))
        limit = filled(frame[(frame["kind"] == LIMIT) & (frame["by"] == "snr")])
        lows |= set(limit["low"])
        for target, (label, colour, marker, factor) in SERIES.items():
            found, least = (table[table["target"] == target] for table in (network, limit))
            axes.errorbar(
                found["low"], factor * found["rms"], factor * found["rms_error"], color=colour,
                marker=marker, markersize=4.5, linestyle="none", label=label,
            )  # fmt: skip
            axes.plot(least["low"], factor * least["rms"], color=colour)
        axes.set(
            ylabel="RMS error", title=look_of(cameras)[camera_and_light(view)[0]][0], yscale="log"
        )
    panels[-1].set(xscale="log", xlabel="Signal-to-noise ratio of the source (lower edge of bin)")
    if lows:
        tick(panels[-1], sorted(lows))
    _explain(figure, panels[0], ncols=7)
    return figure


@styled
def visits_figure(
    limits: dict[str, pd.DataFrame],
    networks: dict[str, pd.DataFrame],
    visits: dict[str, int],
    note: str | None,
) -> Figure:
    """Draw errors and limits against visits in the stack, lens light removed (beside Figure 14).

    Parameters
    ----------
    limits, networks
        As for `limits.tables.limits_table`; each stack has its own network.
    visits
        By view.
    note
        Stamp.
    """
    figure = new_figure(6.6, note)
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for axes, (target, label) in zip(panels, PANELS.items(), strict=True):
        _draw_limits(axes, limits, visits, target, "known_source", "if the source were known")
        found = {
            visits[view]: frame.set_index("target").loc[target, "rms"]
            for view, frame in networks.items()
            if len(frame)
        }
        axes.plot(
            found.keys(), found.values(), color=VERMILION, marker="o", markersize=4.5,
            linestyle="none", label="network trained on that stack",
        )  # fmt: skip
        axes.set(ylabel=label, yscale="log")
    panels[-1].set(xscale="log", xlabel="Visits in a stacked test image")
    tick(panels[-1], list(visits.values()))
    _add_legend(figure, panels[0], ncols=3)
    return figure


@styled
def misalignment_figure(
    limits: dict[str, pd.DataFrame],
    metrics: dict[str, pd.DataFrame],
    axes: dict[str, dict],
    note: str | None,
) -> Figure:
    """Draw errors and limits against the scatter of light about mass (beside Figures 10-12).

    Columns of panels are what scatters, rows are `SCATTERED`.

    Parameters
    ----------
    limits, metrics
        Rows of `limits.metrics.summarise`, and of `metrics.evaluate`, by test view.
    axes
        By what scatters: scatter by view (``tested``, ``trained``), the view with the least of the
        latter (``least``), and the scatter of SLACS (``slacs``).
    note
        Stamp.

    Raises
    ------
    ValueError
        If metrics of a test view lack the network trained at its scatter, or that at the least.
    """
    figure = new_figure(4.6, note)
    panels = figure.subplots(len(SCATTERED), len(axes), sharex="col", sharey="row", squeeze=False)
    for column, (axis, levels) in zip(panels.T, axes.items(), strict=True):
        for panel, target in zip(column, SCATTERED, strict=True):
            _draw_limits(
                panel, limits, levels["tested"], target, "image", "limit of the image alone"
            )
            _draw_networks(panel, metrics, levels, target)
            panel.axvline(
                levels["slacs"], color=BLACK, linewidth=0.6, zorder=1, label="scatter of SLACS"
            )
            panel.set_yscale("log")
        column[-1].set_xlabel(_SCATTER[axis])
    for row, label in zip(panels, SCATTERED.values(), strict=True):
        row[0].set_ylabel(label)
        _tick_plainly(row[0].yaxis)
    _add_legend(figure, panels[0, 0], ncols=3)
    return figure


def _draw_networks(
    panel: Axes, metrics: dict[str, pd.DataFrame], levels: dict, target: str
) -> None:
    """Draw the network trained at the least scatter, and those trained at that of the test."""
    tested, trained = levels["tested"], levels["trained"]
    least = {view: levels["least"] for view in tested}
    own = {view: view for view in tested if view in trained}
    without = "at the least scatter" if trained[levels["least"]] else "without scatter"
    for networks, look, label in (
        (least, (BLUE, "s", "-"), without), (own, (VERMILION, "o", "none"), "at that scatter")
    ):  # fmt: skip
        colour, marker, dashes = look
        found = [
            rms_of(metrics[view], network, ["target"]).set_index("target").loc[target]
            for view, network in networks.items()
        ]
        panel.errorbar(
            [tested[view] for view in networks], [one["rms"] for one in found],
            [one["rms_error"] for one in found], color=colour, marker=marker, markersize=3.5,
            linestyle=dashes, label=f"network trained {label}",
        )  # fmt: skip


def _tick_plainly(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, three a decade, or one if there are many."""
    low, high = axis.get_view_interval()
    steps = (1, 2, 5) if high < 100 * low else (1,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def _draw_limits(
    panel: Axes,
    limits: dict[str, pd.DataFrame],
    places: Mapping[str, float],
    target: str,
    second: str,
    name_of_second: str,
) -> None:
    """Draw the limits of views at their places, and those of a second kind, dotted."""
    for kind, name, dashes in ((LIMIT, "estimated limit", "-"), (second, name_of_second, ":")):
        rms = [
            limits[view].set_index(["target", "kind"]).loc[(target, kind), "rms"] for view in places
        ]
        panel.plot(list(places.values()), rms, color=BLACK, linestyle=dashes, label=name)


@styled
def fits_figure(table: pd.DataFrame, cameras: Mapping[str, dict], note: str | None) -> Figure:
    """Draw how near fits come to networks and limits, how often they fail, and what they cost.

    Rows are `STARTS`, those that there are; panels are the rms errors of theta_E and e1, the share
    of failures, and the CPU time of a fit.

    Parameters
    ----------
    table
        From `limits.tables.fits_table`; a view may lack some of the starts.
    cameras
        As `cameras.look_of` takes them.
    note
        Stamp.
    """
    looks = look_of(cameras)
    starts = [start for start in STARTS if start in set(table["estimate"])]
    views = list(table["view"].unique())
    figure = new_figure(0.9 + 0.52 * len(starts), note)
    panels = figure.subplots(1, 4, sharey=True)
    for k, view in enumerate(views):
        name, colour = looks[camera_and_light(view)[0]]
        rows = table[table["view"] == view]
        places = {start: j + 0.22 * (k - (len(views) - 1) / 2) for j, start in enumerate(starts)}
        for axes, target in zip(panels, ("theta_E", "e1"), strict=False):
            found = rows[rows["target"] == target]
            y = found["estimate"].map(places)
            axes.plot(found["limit"], y, color=colour, **_LIMIT_MARK)
            axes.plot(found["network"], y, color=colour, markerfacecolor="white", **_MARK)
            fitted = found[found["estimate"] != NETWORK]
            places_of_fits = fitted["estimate"].map(places)
            axes.plot(fitted["rms"], places_of_fits, color=colour, label=name, **_MARK)
        once = rows.drop_duplicates("estimate")
        y = once["estimate"].map(places)
        panels[2].barh(y, 100 * once["failed"], height=0.2, color=colour)
        panels[3].plot(once["cpu_seconds"], y, color=colour, **_MARK)
    _label_fits(figure, panels, table, starts)
    return figure


def _label_fits(figure: Figure, panels, table: pd.DataFrame, starts: list[str]) -> None:
    """Name the rows, with the number of their images, and the panels of a `fits_figure`."""
    images = table.groupby("estimate")["n"].unique()
    numbers = {start: " or ".join(map(str, sorted(images[start]))) for start in starts}
    panels[0].set_yticks(
        range(len(starts)), [f"{STARTS[start]}\n{numbers[start]} images" for start in starts]
    )
    panels[0].set_ylim(len(starts) - 0.5, -0.5)
    labels = (r"RMS error of $\theta_\mathrm{E}$" "\n[arcsec]", "RMS error of $e_1$",
              "Failures [%]", "CPU time of a fit [s]")  # fmt: skip
    for axes, label in zip(panels, labels, strict=True):
        axes.set_xlabel(label)
        axes.tick_params(axis="y", which="both", left=False, right=False)
        for edge in range(1, len(starts)):
            axes.axhline(edge - 0.5, color="0.85", linewidth=0.6, zorder=0)
    for axes in (panels[0], panels[1], panels[3]):
        axes.set_xscale("log")
        _tick_plainly(axes.xaxis)
    panels[2].set_xlim(left=0)
    for mark, face, name in (
        (_MARK, "0.4", "fit"), (_MARK, "white", "network"), (_LIMIT_MARK, "0.4", "estimated limit")
    ):  # fmt: skip
        panels[0].plot([], [], color="0.4", markerfacecolor=face, label=name, **mark)
    _add_legend(figure, panels[0], ncols=6)
