"""How good estimates of a lens are: Einstein radius, ellipticity and orientation (pearson2019).

The networks estimate theta_E and the complex ellipticity. Ellipticity, 1 - q, and orientation are
derived, of the estimate and of the truth alike. An error is estimate minus truth, that of an
orientation modulo pi.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lenscnn.core import storage
from lenscnn.papers.pearson2019.ellipticity import e1_e2_to_q_phi_pearson, q_phi_to_e1_e2_pearson
from lenscnn.stats.bootstrap import resampled_rows
from lenscnn.stats.over_seeds import estimate_and_seed

ESTIMATED = ("theta_E", "e1", "e2")
"""What the networks estimate: arcsec and equation 1."""

PARAMETERS = (*ESTIMATED, "ellipticity", "phi")
"""The rows of Table 1; phi in rad."""

ERRORS = (*PARAMETERS, "fractional_theta_E")
"""Names of the errors; the last is that of theta_E over the true theta_E (Figure 8)."""

BINNED_BY = {
    "theta_E": "arcsec",
    "phi": "rad",
    "ellipticity": "dimensionless",
    "theta_E_over_R_e": "dimensionless",
    "snr": "dimensionless",
}
"""What errors are binned by (Figures 8 and 13), with units; R_e is the lens light's."""

MIRRORS = "_mirrors"
"""Ends the name of an estimate that is the mean over the mirrored versions of each image."""

MIN_LENSES = 20
"""Lenses behind an RMS error worth showing: of fewer, neither it nor its error means much."""


def parameters(theta_E, e1, e2) -> dict[str, np.ndarray]:
    """Return `PARAMETERS` by name from three: ellipticity 1 - q, 0 <= phi < pi rad."""
    q, phi = e1_e2_to_q_phi_pearson(e1, e2)
    return {"theta_E": theta_E, "e1": e1, "e2": e2, "ellipticity": 1 - q, "phi": phi}


def orientation_difference(first, second):
    """Return the difference of two orientations, first - second, modulo pi in (-pi/2, pi/2] rad."""
    return np.pi / 2 - (np.pi / 2 - (first - second)) % np.pi


def errors(true: dict[str, np.ndarray], predicted: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the errors, estimates minus truth.

    Parameters
    ----------
    true, predicted
        From `parameters`, each of shape (n,).

    Returns
    -------
    dict of ndarray, shape (n,)
        The `ERRORS`.
    """
    difference = {name: predicted[name] - true[name] for name in PARAMETERS}
    return difference | {
        "phi": orientation_difference(predicted["phi"], true["phi"]),
        "fractional_theta_E": difference["theta_E"] / true["theta_E"],
    }


def summarise(error: dict[str, np.ndarray], resamples: int) -> pd.DataFrame:
    """Return the root mean square and mean of errors, with bootstrap errors.

    Parameters
    ----------
    error
        By name, each of shape (n,).
    resamples
        Bootstrap resamples behind the ``*_err`` columns (`stats.bootstrap.resampled_rows`).

    Returns
    -------
    DataFrame
        Columns target, n, rms, rms_err, bias, bias_err; one row a name.
    """
    stack = np.stack(list(error.values()))
    draws = [_rms_and_bias(stack[:, rows]) for rows in resampled_rows(stack.shape[1], resamples)]
    scatter = np.std(np.concatenate(draws, axis=2), axis=2, ddof=1)
    table = pd.DataFrame({"target": list(error), "n": stack.shape[1]})
    for name, value, err in zip(("rms", "bias"), _rms_and_bias(stack), scatter, strict=True):
        table[name], table[f"{name}_err"] = value, err
    return table


def _rms_and_bias(error: np.ndarray) -> np.ndarray:
    """Return the root mean square and the mean of errors, shape (..., n) -> (2, ...)."""
    return np.stack([np.sqrt((error**2).mean(axis=-1)), error.mean(axis=-1)])


def binned(error: dict[str, np.ndarray], by: np.ndarray, edges: ArrayLike) -> pd.DataFrame:
    """Return the root mean square of errors in bins of something else, with standard errors.

    The standard error is that of the mean square, carried over to its root:
    sd(error^2) / (2 rms sqrt(n)), whatever the distribution of the errors.

    Parameters
    ----------
    error
        By name, each of shape (n,).
    by
        What to bin by, shape (n,).
    edges
        Bins from one edge up to below the next, the last bin with its upper edge; rows outside
        are left out.

    Returns
    -------
    DataFrame
        Columns low, high, mean (of `by`), target, n, rms, rms_err; one row a bin and name.
        nan where a bin has too few rows.

    Raises
    ------
    ValueError
        If the edges do not increase.
    """
    edges = np.asarray(edges, float)
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges of bins must increase, not {edges.tolist()}")
    bins = np.searchsorted(edges, by, side="right") - 1
    bins[by == edges[-1]] = len(edges) - 2
    rows = []
    for k, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        chosen = bins == k
        n = int(np.count_nonzero(chosen))
        mean = by[chosen].mean() if n else np.nan
        for name, values in error.items():
            square = values[chosen] ** 2
            rms = np.sqrt(square.mean()) if n else np.nan
            rms_err = square.std(ddof=1) / (2 * rms * np.sqrt(n)) if n > 1 else np.nan
            rows.append({
                "low": low, "high": high, "mean": mean, "target": name, "n": n, "rms": rms,
                "rms_err": rms_err,
            })  # fmt: skip
    return pd.DataFrame(rows)


def read_predictions(path) -> tuple[dict, dict, dict]:
    """Read true and predicted `PARAMETERS` of a predictions file, each image seen once.

    Returns
    -------
    true, predicted : dict of ndarray, shape (n,)
    labels : dict of ndarray, shape (n,)
        What else was kept of the images.

    Raises
    ------
    storage.DataFileError
        If the file is damaged, lacks something or holds a number that is not finite.
    """
    found, labels = _read(path)
    return found["true"], found["predicted"], labels


def _read(path) -> tuple[dict[str, dict], dict]:
    """Read `PARAMETERS` by column, ``predicted_mirrors`` where the file holds it, and labels."""
    arrays, attrs = storage.read_h5(path)
    # In double precision, for that of angles in single depends on the kind of CPU.
    labels = {
        name: values.astype(np.float64) if values.dtype == np.float32 else values
        for name, values in arrays.items()
    }
    targets = attrs.get("target", "").split()
    if not {"true", "predicted"} <= labels.keys() or not set(ESTIMATED) <= set(targets):
        raise storage.DataFileError(
            f"{path} holds no predictions of {', '.join(ESTIMATED)} (its targets are {targets})"
        )
    found = {}
    for name in ("true", "predicted", f"predicted{MIRRORS}"):
        if (values := labels.pop(name, None)) is None:
            continue
        if bad := np.count_nonzero(~np.isfinite(values).all(axis=1)):
            raise storage.DataFileError(
                f"{path}: {bad} of {len(values)} rows of {name!r} are not finite"
            )
        found[name] = parameters(*(values[:, targets.index(column)] for column in ESTIMATED))
    return found, labels


def evaluate(paths: list, view: str, resamples: int) -> pd.DataFrame:
    """Summarise the errors of every predictions file of a view.

    Parameters
    ----------
    paths
        Predictions files, named ``<estimate>_seed<seed>.h5``.
    view
        Name of the view, for the first column.
    resamples
        Bootstrap resamples.

    Returns
    -------
    DataFrame
        Columns view, estimate, seed and those of `summarise`; one row a file and error. Of files
        that hold estimates averaged over mirrored images, rows of these too, as an estimate whose
        name ends in `MIRRORS`.

    Raises
    ------
    storage.DataFileError, ValueError
        As `read_predictions` and `stats.over_seeds.estimate_and_seed`.
    """
    frames = []
    for path in paths:
        found, _ = _read(path)
        for suffix in ("", MIRRORS):
            if (predicted := found.get(f"predicted{suffix}")) is not None:
                table = summarise(errors(found["true"], predicted), resamples)
                table = _headed(table, view, path)
                frames.append(table.assign(estimate=table["estimate"] + suffix))
    return pd.concat(frames, ignore_index=True)


def evaluate_light(lenses: dict[str, np.ndarray], view: str, resamples: int) -> pd.DataFrame:
    """Summarise the errors of taking the shape of the lens light for that of the mass.

    What an image with the lens light in it tells of the mass without a look at the source.

    Parameters
    ----------
    lenses
        Columns theta_E (arcsec), q, phi (rad) of the mass, lens_q, lens_phi (rad) of the light;
        shape (n,).
    view
        Name for the first two columns.
    resamples
        Bootstrap resamples.

    Returns
    -------
    DataFrame
        As from `evaluate`; of theta_E, of which the shape says nothing, nan.
    """
    theta_E = lenses["theta_E"]
    mass = parameters(theta_E, *q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"]))
    shape = q_phi_to_e1_e2_pearson(lenses["lens_q"], lenses["lens_phi"])
    light = parameters(np.full_like(theta_E, np.nan), *shape)
    return _headed(summarise(errors(mass, light), resamples), view, f"{view}_seed0.h5")


def evaluate_binned(paths: list, view: str, bins: dict[str, list[float]]) -> pd.DataFrame:
    """Bin the errors of every predictions file of a view, as `binned` does.

    Parameters
    ----------
    paths
        Predictions files, named ``<estimate>_seed<seed>.h5``; what the bins need of ``snr`` and
        ``lens_R_sersic`` (arcsec) was kept in them.
    view
        Name of the view, for the first column.
    bins
        Edges by what is binned by, some of `BINNED_BY`. All but snr are those of the truth.

    Returns
    -------
    DataFrame
        Columns view, estimate, seed, by and those of `binned`.

    Raises
    ------
    storage.DataFileError, ValueError
        As `read_predictions`, `stats.over_seeds.estimate_and_seed` and `binned`, or if a file lacks
        what the bins need.
    """
    frames = []
    for path in paths:
        true, predicted, labels = read_predictions(path)
        error = errors(true, predicted)
        for name, edges in bins.items():
            frame = binned(error, _column(path, name, true, labels), edges)
            frame.insert(0, "by", name)
            frames.append(_headed(frame, view, path))
    return pd.concat(frames, ignore_index=True)


def _column(path, name: str, true: dict, labels: dict) -> np.ndarray:
    if name not in BINNED_BY:
        raise ValueError(f"errors are binned by {', '.join(BINNED_BY)}, not by {name!r}")
    if name in PARAMETERS:
        return true[name]
    needed = {"theta_E_over_R_e": "lens_R_sersic", "snr": "snr"}[name]
    if needed not in labels:
        raise storage.DataFileError(f"{path} lacks {needed}, which bins of {name} need")
    return true["theta_E"] / labels[needed] if name == "theta_E_over_R_e" else labels[needed]


def _headed(frame: pd.DataFrame, view: str, path) -> pd.DataFrame:
    estimate, seed = estimate_and_seed(path)
    for position, (name, value) in enumerate(
        {"view": view, "estimate": estimate, "seed": seed}.items()
    ):
        frame.insert(position, name, value)
    return frame
