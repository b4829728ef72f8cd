"""Limits of errors over a test set, overall and in bins, and how far a network is from them."""

import numpy as np
import pandas as pd

from lenscnn.information.floors import factor_and_floor
from lenscnn.papers.pearson2019.metrics import (
    BINNED_BY,
    ESTIMATED,
    PARAMETERS,
    binned,
    errors,
    parameters,
)
from lenscnn.stats.bootstrap import resampled_rows

LIMIT = "informed"
"""Kind of limit that is laid beside a network. That it sees images scaled to 0-1 hides nothing: the
noise of the sky, which is known, tells their scale."""

PRIOR_DOMINATED = 0.5
"""Limit of the image alone over the population's scatter from which that scatter matters more."""

FLOOR_COLUMNS = ("target", "rms", "factor", "factor_err", "floor", "floor_err")
"""Columns of `floors`."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(12)
_WIDEST = 10.0  # of e1 and e2: their modulus counts as 1 at most


def expected_errors(
    true: dict[str, np.ndarray], bound: np.ndarray, prior_sd: float | None
) -> dict[str, np.ndarray]:
    """Return the rms errors that go with each image's bound.

    Those of ellipticity and orientation are of the shape that follows from e1 and e2, integrals
    over normal estimates of these; an estimate of the ellipticity itself can be better. An
    estimate from the image alone is the truth plus its noise. One that knows the population is the
    posterior mean: it is drawn to the mean, zero, by the part of the scatter that is not known.

    Parameters
    ----------
    true : dict of ndarray, shape (n,)
        From `metrics.parameters`.
    bound : ndarray, shape (n, 4)
        Standard deviations of `ESTIMATED`, and the correlation of e1 and e2 (`bounds.COLUMNS`).
    prior_sd
        Scatter of e1 and of e2 in the population; None for estimates from the image alone.

    Returns
    -------
    dict of ndarray, shape (n,)
        `metrics.ERRORS`.
    """
    *deviations, correlation = np.asarray(bound, float).T
    found = dict(zip(ESTIMATED, deviations, strict=True))
    s1, s2 = (np.minimum(found[name], _WIDEST) for name in ("e1", "e2"))
    covariance = np.empty((len(bound), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = s1**2, s2**2
    covariance[:, 0, 1] = covariance[:, 1, 0] = correlation * s1 * s2
    mean = np.stack([true["e1"], true["e2"]], axis=1)
    if prior_sd is not None:
        lost = covariance / prior_sd**2
        mean = mean - np.einsum("nij,nj->ni", lost, mean)
        covariance = covariance - lost @ covariance
    scatter = _root(covariance)
    squares = {name: np.zeros(len(bound)) for name in ("ellipticity", "phi")}
    for u, weight_u in zip(_NODES, _WEIGHTS, strict=True):
        for v, weight_v in zip(_NODES, _WEIGHTS, strict=True):
            e1, e2 = (mean + scatter @ (u, v)).T
            error = errors(true, parameters(true["theta_E"], e1, e2))
            for name, square in squares.items():
                square += weight_u * weight_v / (2 * np.pi) * error[name] ** 2
    found |= {name: np.sqrt(square) for name, square in squares.items()}
    return found | {"fractional_theta_E": found["theta_E"] / true["theta_E"]}


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric square root of covariances, (n, 2, 2)."""
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 0.0))
    return (vectors * root[:, None]) @ vectors.swapaxes(1, 2)


def limits_by_kind(limits: dict[str, np.ndarray], true: dict) -> dict[str, dict]:
    """Return the `expected_errors` of limits of some of `bounds.KINDS`, in their order."""
    prior_sd = float(np.std([true["e1"], true["e2"]]))
    return {
        kind: expected_errors(true, bound, prior_sd if kind.startswith("informed") else None)
        for kind, bound in limits.items()
    }


def summarise(expected: dict[str, dict], singular: np.ndarray, true: dict) -> pd.DataFrame:
    """Return root mean squares and medians of limits over a test set.

    Parameters
    ----------
    expected
        From `limits_by_kind`.
    singular : ndarray of bool, shape (n,)
        Images that do not tell all parameters apart. Their limits are infinite but for those of
        kinds that know more; root mean squares are of the others.
    true
        From `metrics.parameters`.

    Returns
    -------
    DataFrame
        Columns kind, target, n, singular (how many), rms, median, prior_dominated (fraction whose
        limit is above `PRIOR_DOMINATED` of the population's scatter; nan for phi).
    """
    rows = []
    for kind, limits in expected.items():
        for target in PARAMETERS:
            limit = limits[target]
            chosen = np.isfinite(limit) & ~(singular & (kind in ("image", "scaled", "aligned")))
            scatter = np.nan if target == "phi" else np.std(true[target])
            rows.append({
                "kind": kind, "target": target,
                "n": int(chosen.sum()), "singular": int((~chosen).sum()),
                "rms": np.sqrt(np.mean(limit[chosen] ** 2)), "median": np.median(limit),
                "prior_dominated": np.nan if target == "phi" else float(
                    np.mean(limit > PRIOR_DOMINATED * scatter)
                ),
            })  # fmt: skip
    return pd.DataFrame(rows)


def floors(
    error: dict[str, np.ndarray], expected: dict[str, np.ndarray], resamples: int
) -> pd.DataFrame:
    """Fit a network's errors by a factor of the limit and a floor, with bootstrap errors.

    Parameters
    ----------
    error
        From `metrics.errors`.
    expected
        From `expected_errors`, of the same images.
    resamples
        Bootstrap resamples.

    Returns
    -------
    DataFrame
        The `FLOOR_COLUMNS` (`information.floors.factor_and_floor`).
    """
    rows = []
    for target in PARAMETERS:
        e, limit = error[target], expected[target]
        draws = [
            factor_and_floor(e[chosen], limit[chosen])
            for block in resampled_rows(len(e), resamples)
            for chosen in block
        ]
        factor, floor = factor_and_floor(e, limit)
        factor_err, floor_err = np.std(draws, axis=0, ddof=1)
        rms = np.sqrt(np.mean(e**2))
        rows.append((target, rms, factor, factor_err, floor, floor_err))
    return pd.DataFrame(rows, columns=FLOOR_COLUMNS)


def binned_limits(
    expected: dict[str, dict], lenses: dict, true: dict, bins: dict[str, list[float]]
) -> pd.DataFrame:
    """Bin limits as `metrics.evaluate_binned` bins errors.

    Parameters
    ----------
    expected
        From `limits_by_kind`.
    lenses : dict of ndarray, shape (n,)
        Columns ``snr`` and ``lens_R_sersic`` (arcsec) of the catalogue.
    true
        From `metrics.parameters`.
    bins
        Edges by what is binned by.

    Returns
    -------
    DataFrame
        Columns kind, by and those of `metrics.binned` but the standard error, which is none.

    Raises
    ------
    ValueError
        As `metrics.binned`.
    """
    columns = {name: true[name] for name in BINNED_BY if name in true} | {
        "theta_E_over_R_e": true["theta_E"] / lenses["lens_R_sersic"],
        "snr": lenses["snr"],
    }
    frames = []
    for kind, limits in expected.items():
        for name, edges in bins.items():
            frame = binned(limits, columns[name], edges).drop(columns="rms_err")
            frame.insert(0, "by", name)
            frame.insert(0, "kind", kind)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)
