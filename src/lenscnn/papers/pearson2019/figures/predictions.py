"""pearson2019, Figures 6, 7 and 9: estimates of a lens beside the truth."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lenscnn.papers.pearson2019.figures.cameras import LIGHT, camera_and_light, look_of
from lenscnn.papers.pearson2019.metrics import errors
from lenscnn.plotting.density import bin_edges, scatter_by_density, step, widened
from lenscnn.plotting.style import BLACK, new_figure, styled

_QUANTITY = {
    "theta_E": r"Einstein radius $\theta_\mathrm{E}$ [arcsec]",
    "phi": r"orientation $\phi$ [rad]",
    "ellipticity": "ellipticity $1 - b/a$",
}


@styled
def distributions_figure(
    error: dict[str, dict[str, np.ndarray]], cameras: Mapping[str, dict], note: str | None
) -> Figure:
    """Draw distributions of errors, one panel a parameter, one curve a view (Figure 6).

    Parameters
    ----------
    error
        From `papers.pearson2019.metrics.errors`, by view ``<camera>_<removed or kept>``.
    cameras
        As `cameras.look_of` takes them.
    note
        Stamp.
    """
    figure = new_figure(7.2, note)
    panels = figure.subplots(len(_QUANTITY))
    fewest = min(len(values["theta_E"]) for values in error.values())
    for axes, (target, quantity) in zip(panels, _QUANTITY.items(), strict=True):
        size = np.abs(np.concatenate([values[target] for values in error.values()]))
        limit = np.quantile(size, 0.97)
        edges = bin_edges(-limit, limit, fewest)
        for view, values in error.items():
            camera, light = camera_and_light(view)
            (name, colour), (fate, dashes) = look_of(cameras)[camera], LIGHT[light]
            step(axes, values[target], edges, f"{name}, lens light {fate}",
                 color=colour, linestyle=dashes)  # fmt: skip
        axes.axvline(0, color="0.6", linewidth=0.6, zorder=0)
        axes.set(xlabel=f"Predicted $-$ true {quantity}", ylabel="Probability density")
        axes.set_xlim(-limit, limit)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


@styled
def comparison_figure(
    predictions: dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]],
    cameras: Mapping[str, dict],
    note: str | None,
) -> Figure:
    """Draw estimates against the truth, a row of panels a view (Figures 7, 9).

    Parameters
    ----------
    predictions
        True and predicted `papers.pearson2019.metrics.PARAMETERS` by view ``<camera>_<removed or
        kept>``.
    cameras
        As `cameras.look_of` takes them.
    note
        Stamp.
    """
    rows = len(predictions)
    figure = new_figure(2.1 * rows + 0.4, note)
    panels = figure.subplots(rows, len(_QUANTITY), sharex="col", sharey="col", squeeze=False)
    for row, (view, (true, predicted)) in zip(panels, predictions.items(), strict=True):
        error = errors(true, predicted)
        for axes, target in zip(row, _QUANTITY, strict=True):
            scatter_by_density(axes, true[target], predicted[target])
            rms = np.sqrt(np.mean(error[target] ** 2))
            axes.annotate(f"RMS {rms:.3f}", (0.04, 0.95), xycoords="axes fraction", va="top")
        camera, _ = camera_and_light(view)
        row[0].set_ylabel(f"{look_of(cameras)[camera][0]}: predicted")
    for column, (target, quantity) in zip(panels.T, _QUANTITY.items(), strict=True):
        true, predicted = (
            np.concatenate([both[k][target] for both in predictions.values()]) for k in (0, 1)
        )
        ends = np.array([true.min(), true.max()])
        low, high = np.quantile(predicted, [0.0005, 0.9995])
        low, high = widened(min(low, ends[0]), max(high, ends[1]))
        for axes in column:
            axes.plot(ends, ends, "--", color=BLACK, label="ideal")
        column[0].set(title=quantity[0].upper() + quantity[1:], xlim=widened(*ends))
        column[0].set_ylim(low, high + 0.13 * (high - low))  # room for the RMS
        column[-1].set_xlabel("True")
    return figure
