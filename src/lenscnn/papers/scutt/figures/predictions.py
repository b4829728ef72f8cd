"""Scutt, Figures 5-8: predicted against true values, and how the errors are distributed."""

from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenscnn.papers.scutt.metrics import VARIED, fixed_alpha
from lenscnn.plotting.density import bin_edges, scatter_by_density, step, widened
from lenscnn.plotting.style import BLACK, VERMILION, new_figure, styled

_QUANTITY = {"N": "number of subhaloes $N$", "alpha": r"slope $\alpha$"}

_SYMBOL = {"N": "$N$", "alpha": r"$\alpha$"}


@dataclass(frozen=True)
class Row:
    """One estimate: what a row of panels shows.

    Parameters
    ----------
    target
        "N" or "alpha".
    true, predicted
        Shape (n,).
    subset
        Label of each value: "varied", or "alpha-1.6" and the like, shape (n,).
    metrics
        This estimate's rows of `papers.scutt.metrics.evaluate` (one seed).
    """

    target: str
    true: np.ndarray
    predicted: np.ndarray
    subset: np.ndarray
    metrics: pd.DataFrame


@styled
def predictions_figure(rows: list[Row], note: str | None) -> Figure:
    """Draw left the scatter of predicted against true values (subset `varied`), right the errors.

    Parameters
    ----------
    rows
        One a row of panels, top to bottom.
    note
        Stamp.
    """
    figure = new_figure(2.7 * len(rows), note)
    panels = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), row in zip(panels, rows, strict=True):
        _draw_scatter(left, row)
        _draw_errors(right, row)
    return figure


def _draw_scatter(axes: Axes, row: Row) -> None:
    chosen = row.subset == VARIED
    true, predicted = row.true[chosen], row.predicted[chosen]
    statistics = row.metrics.set_index("subset").loc[VARIED]
    ends = np.array([true.min(), true.max()])
    scatter_by_density(axes, true, predicted)
    axes.plot(ends, ends, "--", color=BLACK, label="ideal")
    # The least-squares line goes through the means, and the bias is the difference of the means.
    slope = statistics["gradient"]
    fitted = true.mean() + statistics["bias"] + slope * (ends - true.mean())
    error = statistics["gradient_err"]
    axes.plot(ends, fitted, color=VERMILION, label=f"fit, gradient {slope:.3f} ± {error:.3f}")
    quantity = _QUANTITY[row.target]
    axes.set(xlabel=f"True {quantity}", ylabel=f"Predicted {quantity}", xlim=widened(*ends))
    low, high = np.quantile(predicted, [0.0005, 0.9995])
    low, high = widened(min(low, ends[0]), max(high, ends[1]))
    axes.set_ylim(low, high + 0.22 * (high - low))  # room for the legend
    axes.legend(loc="upper left")


def _draw_errors(axes: Axes, row: Row) -> None:
    errors = row.predicted - row.true
    fixed = [subset for subset in np.unique(row.subset) if subset != VARIED]
    fixed.sort(key=fixed_alpha, reverse=True)
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(fixed)))
    fewest = min(int(np.count_nonzero(row.subset == subset)) for subset in (*fixed, VARIED))
    low, high = np.quantile(errors, [0.002, 0.998])
    edges = bin_edges(low, high, fewest)
    for subset, colour in zip(fixed, colours, strict=True):
        step(axes, errors[row.subset == subset], edges, rf"$\alpha={fixed_alpha(subset)}$",
             color=colour)  # fmt: skip
    step(axes, errors[row.subset == VARIED], edges, r"varied $\alpha$",
         color=BLACK, linewidth=1.4, linestyle=(0, (3, 1)))  # fmt: skip
    axes.axvline(0, ymax=0.75, color="0.6", linewidth=0.6, zorder=0)
    symbol = _SYMBOL[row.target]
    axes.set(xlabel=f"Predicted $-$ true {symbol}", ylabel="Probability density", xlim=(low, high))
    axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
    axes.legend(loc="upper center", ncols=3, columnspacing=1)
