"""The tables of Scutt, and one of skill: data frames in, data frames and LaTeX out."""

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from lenscnn.core.labels import latex_text
from lenscnn.papers.scutt.metrics import VARIED, fixed_alpha, summarise
from lenscnn.stats.latex import latex_row, latex_table, rounded, value_with_error
from lenscnn.stats.over_seeds import average_seeds, describe_seeds

_KEYS = ["view", "estimate", "target", "subset"]

_HEADINGS = {"gradient": "Gradient", "sigma": r"$\sigma$", "rmse": "RMSE", "correlation": "$r$"}

_SKILL_COLUMNS = [
    *("view", "target", "estimator", "n_seeds", "gradient", "correlation", "rmse", "rmse_err"),
    *("bias", "sigma", "skill", "skill_err"),
]

ESTIMATORS = {
    "n_cnn": r"$N$-CNN",
    "alpha_cnn": r"$\alpha$-CNN",
    "alpha_cnn_true_n": r"$\alpha$-CNN, true $N$",
    "alpha_cnn_without_n": r"$\alpha$-CNN without $N$",
    "ridge_n": "ridge regression",
    "ridge_alpha": "ridge regression",
    "constant": "constant",
    "alpha_from_n_cnn": r"$\mathrm{E}[\alpha \mid N]$ at the $N$-CNN's $N$",
    "alpha_from_true_n": r"$\mathrm{E}[\alpha \mid N]$ at the true $N$",
}
"""Networks and baselines, in LaTeX."""

_TARGETS = {"N": "$N$", "alpha": r"$\alpha$"}

_DECIMALS = {"N": 1, "alpha": 3}


def performance_table(metrics: pd.DataFrame, view: str, estimates: list[str]) -> pd.DataFrame:
    """Return gradient, sigma, RMSE and correlation at each alpha, the estimates side by side.

    These are Scutt's Tables 1-4, with a correlation, and a ``sigma_unpaired``, that they lack.

    Parameters
    ----------
    metrics
        Rows of `metrics.evaluate`.
    view
        The view to take.
    estimates
        Names of the estimates, left to right.

    Returns
    -------
    DataFrame
        Columns `alpha` ("-1.6" ... "-2.4", then "varied"), `n_seeds` and, for each estimate and
        statistic,
        ``<estimate>_<statistic>`` with ``_err`` and ``_scatter`` as in
        `stats.over_seeds.average_seeds`.

    Raises
    ------
    ValueError
        If the metrics have no such view or estimate.
    """
    parts = []
    averaged = average_seeds(metrics[metrics["view"] == view], _KEYS)
    for estimate in estimates:
        part = averaged[averaged["estimate"] == estimate].set_index("subset")
        if part.empty:
            raise ValueError(
                f"the metrics hold no estimate {estimate!r} of view {view!r}; "
                f"they hold {sorted(set(averaged['estimate']))}"
            )
        names = (*_HEADINGS, "sigma_unpaired")
        columns = [f"{name}{end}" for name in names for end in ("", "_err", "_scatter")]
        parts.append(part[columns].add_prefix(f"{estimate}_"))
    table = pd.concat(parts, axis=1)
    fixed = sorted(
        (subset for subset in table.index if subset != VARIED), key=fixed_alpha, reverse=True
    )
    table = table.loc[[*fixed, VARIED]]
    table.insert(0, "alpha", [str(fixed_alpha(subset)) for subset in fixed] + [VARIED])
    table.insert(1, "n_seeds", averaged.groupby("subset")["n_seeds"].max())
    return table.reset_index(drop=True)


def conditional_mean(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Learn E[y | x] from a sample, as a table to interpolate; it never rises with x.

    Isotonic least squares has nothing to tune. For y = alpha and x = N falling is what a fixed
    total mass means: the steeper the mass function, the more subhaloes it takes.

    Parameters
    ----------
    x, y
        The sample, shape (n,).

    Returns
    -------
    knots : ndarray, shape (k,)
        The distinct x, increasing.
    values : ndarray, shape (k,)
        E[y | x] there; ``np.interp(x, knots, values)`` reads it elsewhere.
    """
    knots, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=np.asarray(y, float)) / counts
    return knots, isotonic_regression(means, weights=counts.astype(float), increasing=False).x


def skill_table(
    metrics: pd.DataFrame,
    view: str,
    training: dict[str, np.ndarray],
    n_predictions: list[dict[str, np.ndarray]],
    alpha_constant: float,
    resamples: int,
) -> pd.DataFrame:
    """Lay networks of a view beside estimators that need no second network, subset `varied`.

    Parameters
    ----------
    metrics
        Rows of `metrics.evaluate`: networks and, if they are there, ridge regressions.
    view
        The view to take.
    training
        Columns `N` and `alpha` of the training population.
    n_predictions
        For each training seed, the N-CNN's `predicted` with the true `N`, `alpha` and `subset`.
    alpha_constant
        What the constant estimator of alpha answers: the mean of its prior.
    resamples
        Bootstrap resamples for the baselines.

    Returns
    -------
    DataFrame
        Columns view, target, estimator, n_seeds, gradient, correlation, rmse, rmse_err, bias,
        sigma, skill, skill_err. Means over training seeds; an error joins the bootstrap and the
        scatter over seeds.
    """
    knots, values = conditional_mean(training["N"], training["alpha"])
    frames = [metrics[(metrics["view"] == view) & (metrics["subset"] == VARIED)]]
    for seed, predictions in enumerate(n_predictions):
        chosen = predictions["subset"] == VARIED
        n, alpha, n_cnn = (predictions[name][chosen] for name in ("N", "alpha", "predicted"))
        baselines = [("alpha", "alpha_from_n_cnn", alpha, np.interp(n_cnn, knots, values))]
        if seed == 0:  # the others do not depend on a network
            baselines += [
                ("N", "constant", n, np.full(len(n), np.mean(training["N"]))),
                ("alpha", "constant", alpha, np.full(len(n), alpha_constant)),
                ("alpha", "alpha_from_true_n", alpha, np.interp(n, knots, values)),
            ]
        for target, name, true, predicted in baselines:
            frame = summarise(true, predicted, np.full(len(n), VARIED), resamples)
            frames.append(frame.assign(view=view, estimate=name, target=target, seed=seed))
    table = average_seeds(pd.concat(frames, ignore_index=True), _KEYS)
    for name in ("rmse", "skill"):
        table[f"{name}_err"] = _total_error(table, name)
    order = [(target, name) for target in _TARGETS for name in ESTIMATORS]
    table = table.set_index(["target", "estimate"])
    table = table.loc[[key for key in order if key in table.index]].reset_index()
    return table.rename(columns={"estimate": "estimator"})[_SKILL_COLUMNS]


def _total_error(table: pd.DataFrame, name: str) -> pd.Series:
    return np.hypot(table[f"{name}_err"], table[f"{name}_scatter"].fillna(0))


def performance_latex(
    table: pd.DataFrame, seen: dict, estimates: list[str], run: dict[str, str]
) -> str:
    """Write a `performance_table` in LaTeX, in the layout of Scutt's Tables 1-4 (booktabs).

    `seen` has ``n_pix``, ``pixel_scale`` (arcsec) and ``sample`` ("fixed" or "varied") of the view,
    `run` is as `stats.latex.latex_table` takes it.
    """
    columns = [(estimate, name) for estimate in estimates for name in _HEADINGS]
    errors = {column: _total_error(table, "_".join(column)) for column in columns}
    heading = [
        latex_row(["", *(rf"\multicolumn{{4}}{{c}}{{{ESTIMATORS[name]}}}" for name in estimates)]),
        *(rf"\cmidrule(lr){{{4 * i + 2}-{4 * i + 5}}}" for i in range(len(estimates))),
        latex_row([r"$\alpha$", *[*_HEADINGS.values()] * len(estimates)]),
    ]
    body = []
    for i, row in table.iterrows():
        label = "Varied" if row["alpha"] == VARIED else f"${row['alpha']}$"
        cells = [value_with_error(row["_".join(c)], errors[c][i]) for c in columns]
        body.append(latex_row([label, *cells]))
    camera = rf"${seen['n_pix']} \times {seen['n_pix']}$ pixels of {seen['pixel_scale']:g} arcsec"
    caption = (
        r"Gradient of the prediction scatter, with $\sigma$ (half the width of the central "
        rf"68.27\,\% of predicted minus true) and RMSE. {camera}, {seen['sample']} lens geometry. "
        r"The paper has no $r$, the correlation of predicted and true values, and seems to print "
        r"for varied $\alpha$ the $\sigma$ of unpaired differences of $\alpha$. "
        r"In brackets the error: bootstrap over the test images, joined with the scatter over "
        rf"training seeds where there are several. {describe_seeds(table['n_seeds'])}"
    )
    return latex_table(caption, run, "l" + "cccc" * len(estimates), heading, body)


def skill_latex(table: pd.DataFrame, run: dict[str, str]) -> str:
    """Write stacked `skill_table`s in LaTeX (needs booktabs); `run` as for `latex_table`."""
    body = []
    for view, rows in table.groupby("view", sort=False):
        body += [r"\midrule"] if body else []
        view_label = rf"\texttt{{{latex_text(str(view))}}}"
        for target, group in rows.groupby("target", sort=False):
            target_label = _TARGETS[target]
            for _, row in group.iterrows():
                cells = [
                    *(rounded(row[name], 3) for name in ("gradient", "correlation")),
                    value_with_error(row["rmse"], row["rmse_err"]),
                    *(rounded(row[name], _DECIMALS[target]) for name in ("bias", "sigma")),
                    value_with_error(row["skill"], row["skill_err"]),
                ]
                body.append(
                    latex_row([view_label, target_label, ESTIMATORS[row["estimator"]], *cells])
                )
                view_label = target_label = ""  # said once, in the first row of a group
    ridge = (
        r"The ridge regression is on principal components of the images and squares of the first. "
    )
    without_ridge = "The ridge regression on images is left out: its predictions are not there. "
    caption = (
        r"Skill, $1 - \mathrm{MSE} / \mathrm{Var}(\mathrm{true})$, of the networks beside "
        r"simpler estimators, on the test images with varied $\alpha$; $r$ is the correlation of "
        r"predicted and true values. "
        + (ridge if table["estimator"].str.startswith("ridge").any() else without_ridge)
        + r"``Constant'' answers the mean of the prior ($\alpha$) or of the training set ($N$); "
        r"$\mathrm{E}[\alpha \mid N]$ is learned from the training catalogue alone, as if $N$ were "
        r"known; at a noisy $N$ it is not the best possible. "
        rf"Errors as in the other tables. {describe_seeds(table['n_seeds'])}"
    )
    heading = latex_row(
        ["View", "", "Estimator", "Gradient", "$r$", "RMSE", "Bias", r"$\sigma$", "Skill"]
    )
    return latex_table(caption, run, "lllcccccc", [heading], body)
