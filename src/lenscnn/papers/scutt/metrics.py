"""How good estimates are: gradient, correlation, spread, error, bias and skill, with errors.

The statistics reduce the last axis, so that one resample and a stack of them are the same call.
"""

import re

import numpy as np
import pandas as pd

from lenscnn.core import storage
from lenscnn.stats.bootstrap import resampled_rows
from lenscnn.stats.over_seeds import estimate_and_seed

STATISTICS = ("gradient", "sigma", "rmse", "bias", "skill", "correlation", "sigma_unpaired")
"""Names of the statistics, in the order of the columns."""

CENTRAL = 0.6827
"""Probability inside one standard deviation of a normal distribution."""

VARIED = "varied"
"""Subset of a test set whose alpha is drawn like that of the training set."""


def gradient(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the slope of the least-squares straight line of predicted against true values.

    Parameters
    ----------
    true, predicted
        Values of one quantity, shape (..., n).

    Returns
    -------
    ndarray or scalar, shape (...)
        1 for unbiased estimates, 0 for a constant; nan where the true value is constant.
    """
    x = true - true.mean(axis=-1, keepdims=True)
    y = predicted - predicted.mean(axis=-1, keepdims=True)
    return _ratio((x * y).sum(axis=-1), (x * x).sum(axis=-1), where=_varies(true))


def sigma68(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return half the width of the central 68.27 % of predicted - true, (..., n) -> (...).

    The standard deviation, if the errors are normal.
    """
    tail = (1 - CENTRAL) / 2
    low, high = np.quantile(predicted - true, [tail, 1 - tail], axis=-1)
    return (high - low) / 2


def rmse(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the root of the mean squared difference, shape (..., n) -> (...)."""
    return np.sqrt(((predicted - true) ** 2).mean(axis=-1))


def bias(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the mean of predicted - true, shape (..., n) -> (...)."""
    return (predicted - true).mean(axis=-1)


def skill(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return 1 - MSE / Var(true), shape (..., n) -> (...).

    1 is perfect, 0 what always answering the mean gives; nan where the true value is constant.
    """
    return 1 - _ratio(rmse(true, predicted) ** 2, true.var(axis=-1), where=_varies(true))


def correlation(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of predicted and true values, shape (..., n) -> (...).

    No shift and no scaling of the estimates changes it. nan where either is constant.
    """
    x = true - true.mean(axis=-1, keepdims=True)
    y = predicted - predicted.mean(axis=-1, keepdims=True)
    norm = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return _ratio((x * y).sum(axis=-1), norm, where=_varies(true) & _varies(predicted))


def sigma_unpaired(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the standard deviation of predicted_i - true_j over all i and j, (..., n) -> (...).

    Computed as sqrt(var(predicted) + var(true)). It is what ``np.std(predicted - true)`` gives
    if one of the two arrays has the shape (n, 1) and the other (n,): numpy then subtracts every
    true value from every predicted one.
    """
    return np.sqrt(predicted.var(axis=-1) + true.var(axis=-1))


def _varies(values: np.ndarray) -> np.ndarray:
    # The variance of equal values need not round to zero; their range is exactly zero.
    return np.ptp(values, axis=-1) > 0


def _ratio(numerator, denominator, where):
    out = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=out, where=where)[()]


_FUNCTIONS = dict(
    zip(
        STATISTICS,
        (gradient, sigma68, rmse, bias, skill, correlation, sigma_unpaired),
        strict=True,
    )
)


def statistics(true: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return all `STATISTICS` by name, shape (..., n) -> (...)."""
    return {name: function(true, predicted) for name, function in _FUNCTIONS.items()}


def bootstrap(true: np.ndarray, predicted: np.ndarray, resamples: int) -> dict[str, float]:
    """Return the standard errors of the statistics, from `resampled_rows`.

    Parameters
    ----------
    true, predicted
        Shape (n,).
    resamples
        Number of resamples, at least 2.

    Returns
    -------
    dict
        Standard deviation of each of `STATISTICS` over the resamples.
    """
    draws = [
        statistics(true[rows], predicted[rows]) for rows in resampled_rows(len(true), resamples)
    ]
    return {
        name: float(np.std(np.concatenate([draw[name] for draw in draws]), ddof=1))
        for name in STATISTICS
    }


def summarise(
    true: np.ndarray, predicted: np.ndarray, subset: np.ndarray, resamples: int
) -> pd.DataFrame:
    """Return the statistics of an estimate, one row a subset.

    Parameters
    ----------
    true, predicted
        Shape (n,).
    subset
        Label of each row, shape (n,).
    resamples
        Bootstrap resamples behind the ``*_err`` columns.

    Returns
    -------
    DataFrame
        Columns subset, n, and each of `STATISTICS` followed by its error.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, or a subset has fewer than two rows.
    """
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
    subset = np.asarray(subset)
    if not true.shape == predicted.shape == subset.shape:
        raise ValueError(
            f"true, predicted and subset differ in shape: "
            f"{true.shape}, {predicted.shape}, {subset.shape}"
        )
    for name, values in {"true": true, "predicted": predicted}.items():
        if bad := np.count_nonzero(~np.isfinite(values)):
            raise ValueError(f"{bad} of {len(values)} {name} values are not finite")
    rows = []
    for label in map(str, np.unique(subset)):
        chosen = subset == label
        if (n := np.count_nonzero(chosen)) < 2:
            raise ValueError(f"subset {label!r} has one row: statistics need at least two")
        values = statistics(true[chosen], predicted[chosen])
        errors = bootstrap(true[chosen], predicted[chosen], resamples)
        row = {"subset": label, "n": n}
        for name in STATISTICS:
            row |= {name: float(values[name]), f"{name}_err": errors[name]}
        rows.append(row)
    return pd.DataFrame(rows)


def fixed_alpha(subset: str) -> float:
    """Return the slope that a subset holds fixed: -1.6 for "alpha-1.6".

    Raises
    ------
    ValueError
        If it holds none.
    """
    match = re.fullmatch(r"alpha(-?\d+(?:\.\d+)?)", subset)
    if match is None:
        raise ValueError(f"subset {subset!r} holds no slope fixed: it is not like 'alpha-1.6'")
    return float(match[1])


def evaluate(paths: list, view: str, resamples: int) -> pd.DataFrame:
    """Return the statistics of every predictions file of a view, one row a file and subset.

    Parameters
    ----------
    paths
        Predictions files, each with `true`, `predicted`, `subset` and the attribute `target`.
    view
        Name of the view, for the first column.
    resamples
        Bootstrap resamples.

    Raises
    ------
    storage.DataFileError
        If a file is damaged or lacks something.
    ValueError
        If a file's name or its values are bad; the message names the file.
    """
    frames = []
    for path in paths:
        estimate, seed = estimate_and_seed(path)
        arrays, attrs = storage.read_h5(path)
        missing = {"true", "predicted", "subset"} - arrays.keys() | {"target"} - attrs.keys()
        if missing:
            raise storage.DataFileError(
                f"{path} lacks {', '.join(sorted(missing))}: is it a predictions file?"
            )
        try:
            frame = summarise(arrays["true"], arrays["predicted"], arrays["subset"], resamples)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        for position, (name, value) in enumerate(
            {"view": view, "estimate": estimate, "target": attrs["target"], "seed": seed}.items()
        ):
            frame.insert(position, name, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
