"""Statistics averaged over training seeds: data frames of metrics in, one row a network out."""

import re
from pathlib import Path

import numpy as np
import pandas as pd


def estimate_and_seed(path) -> tuple[str, int]:
    """Return the estimate and the training seed in a name ``<estimate>_seed<seed>.h5``.

    Raises
    ------
    ValueError
        If the name has another form.
    """
    match = re.fullmatch(r"(?P<estimate>\w+)_seed(?P<seed>\d+)", Path(path).stem)
    if match is None:
        raise ValueError(f"{path}: a predictions file is named <estimate>_seed<seed>.h5")
    return match["estimate"], int(match["seed"])


def average_seeds(metrics: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Average each statistic over training seeds, with its two uncertainties.

    Parameters
    ----------
    metrics
        Column seed, the keys, and statistics: columns with a companion ``*_err``.
    keys
        Columns that tell apart what is averaged.

    Returns
    -------
    DataFrame
        One row for each value of the keys: these, the number of seeds `n_seeds`, means of the
        other numbers and, for each statistic, the mean over seeds, ``*_err`` (mean bootstrap or
        standard error: seeds share the test set, so it does not shrink with their number) and
        ``*_scatter`` (standard deviation over seeds, nan for one seed).
    """
    names = [name.removesuffix("_err") for name in metrics.columns if name.endswith("_err")]
    groups = metrics.groupby(keys, sort=False)
    scatter = groups[names].std(ddof=1).add_suffix("_scatter")
    averaged = groups.mean(numeric_only=True).drop(columns="seed").join(scatter)
    averaged["n_seeds"] = groups["seed"].nunique()
    return averaged.reset_index()


def error_of_mean(averaged: pd.DataFrame, name: str) -> pd.Series:
    """Return the error of a mean over seeds: that of the test set joined with that of so few seeds.

    Parameters
    ----------
    averaged
        From `average_seeds`.
    name
        A statistic.
    """
    scatter = averaged[f"{name}_scatter"].fillna(0) / np.sqrt(averaged["n_seeds"])
    return np.hypot(averaged[f"{name}_err"], scatter)


def describe_seeds(n_seeds: pd.Series) -> str:
    """Return what a caption says of the training seeds behind numbers and their errors.

    Parameters
    ----------
    n_seeds
        How many each of the numbers has.
    """
    fewest, most = n_seeds.min(), n_seeds.max()
    if most == 1:
        return "One training seed: the scatter over seeds is not in the errors."
    if fewest == most:
        return f"Means over {most} training seeds."
    return (
        f"Means over {fewest} to {most} training seeds; where there is one, the scatter over seeds "
        "is not in the error."
    )


def rms_of(metrics: pd.DataFrame, estimate: str, keys: list[str]) -> pd.DataFrame:
    """Return the RMS of one network's errors in a view, averaged over its seeds.

    Parameters
    ----------
    metrics
        Rows of one view, with the columns estimate and seed, and RMS errors with errors.
    estimate
        Name of the network: the view it was trained on.
    keys
        As in `average_seeds`.

    Returns
    -------
    DataFrame
        As `average_seeds` gives, and `rms_error` from `error_of_mean`.

    Raises
    ------
    ValueError
        If the metrics have no such estimate.
    """
    chosen = metrics[metrics["estimate"] == estimate]
    if chosen.empty:
        raise ValueError(
            f"the metrics of view {', '.join(metrics['view'].unique())} hold no estimate "
            f"{estimate!r}; they hold {sorted(set(metrics['estimate']))}"
        )
    averaged = average_seeds(chosen, keys)
    return averaged.assign(rms_error=error_of_mean(averaged, "rms"))
