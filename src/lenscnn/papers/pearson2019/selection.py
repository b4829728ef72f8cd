"""The selection function of pearson2019: what the detected samples are like (figures 1-3)."""

from pathlib import Path

import numpy as np
import pandas as pd

from lenscnn.stats.bootstrap import resampled_rows

QUANTITIES = ("theta_E", "sigma_v", "z_lens", "z_source")

FITS = 50
"""Resamples that are fitted: a fit takes milliseconds, and these give its error to a tenth."""


HISTOGRAM, MOMENTS = "histogram", "moments"
"""What a Gaussian is fitted to, and what takes its place."""


def by_sample(paths) -> dict[str, list[str]]:
    """Sort files of catalogues, ``.../<sample>/<split>/<file>``, by their sample."""
    files = {}
    for path in paths:
        files.setdefault(Path(path).parts[-3], []).append(path)
    return files


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number density of a sample in equal bins, 0.1 % left out on either side.

    Returns
    -------
    edges : ndarray, shape (k + 1,)
        30 bins for 4,000 values and more, fewer for fewer.
    density : ndarray, shape (k,)
        Per unit of `values`.
    """
    low, high = np.quantile(values, [0.001, 0.999])
    n_bins = int(np.clip(2 * len(values) ** (1 / 3), 8, 30))
    edges = np.linspace(low, high, n_bins + 1)
    return edges, np.histogram(values, edges)[0] / len(values) / np.diff(edges)


def gaussian(x, amplitude, mean, sd):
    """Return amplitude exp(-(x - mean)^2 / (2 sd^2))."""
    return amplitude * np.exp(-0.5 * ((x - mean) / sd) ** 2)


def fit_gaussian(values: np.ndarray) -> np.ndarray:
    """Fit amplitude, mean and width of a Gaussian to a sample's histogram.

    The paper fits normal distributions to its histograms and does not say how; for a skewed
    sample this differs from the moments, and both are worth a look.

    Returns
    -------
    ndarray, shape (3,)
        Amplitude (number density), mean, standard deviation.
    """
    from scipy.optimize import curve_fit  # here, for it takes half of what a job starts with

    edges, density = histogram(values)
    middle, top, width = (edges[1:] + edges[:-1]) / 2, density.max(), edges[-1] - edges[0]
    # Bounds matter to samples of a few dozen only: there the best fit can run away.
    bounds = ([0, edges[0] - width, 0.02 * width], [3 * top, edges[-1], 2 * width])
    fit, _ = curve_fit(gaussian, middle, density, (top, values.mean(), width / 5), bounds=bounds)
    return fit


def describe_gaussian(values: np.ndarray) -> np.ndarray:
    """Return the Gaussian that has a sample's moments.

    Returns
    -------
    ndarray, shape (3,)
        As `fit_gaussian`: amplitude of the unit normal law, mean, standard deviation.
    """
    sd = values.std()
    return np.array([1 / (np.sqrt(2 * np.pi) * sd), values.mean(), sd])


def resampled_fits(values: np.ndarray, resamples: int) -> tuple[str, np.ndarray]:
    """Fit a Gaussian to a sample and to its bootstrap resamples, of `FITS` at the most.

    A histogram that falls from its first bin on has no peak, and the best Gaussian may have its
    mean outside of the sample. Such a fit says nothing of the sample: moments take its place.

    Parameters
    ----------
    values
        Shape (n,).
    resamples
        Bootstrap resamples (`stats.bootstrap.resampled_rows`).

    Returns
    -------
    method : str
        `HISTOGRAM` or `MOMENTS`, as it holds of the sample and all its resamples.
    fits : ndarray, shape (1 + min(resamples, FITS), 3)
        As from `fit_gaussian`.
    """
    blocks = resampled_rows(len(values), min(resamples, FITS))
    again = [sample for rows in blocks for sample in values[rows]]
    fit = fit_gaussian(values)
    if values.min() <= fit[1] <= values.max():
        return HISTOGRAM, np.array([fit, *map(fit_gaussian, again)])
    return MOMENTS, np.array([describe_gaussian(sample) for sample in (values, *again)])


def summarise(draw: str, lenses: dict[str, np.ndarray], printed: dict, resamples: int):
    """Return moments and Gaussian fits of a catalogue, beside the paper's fits.

    Parameters
    ----------
    draw
        Name of the sample.
    lenses
        Columns `QUANTITIES`, shape (n,).
    printed
        (mean, width) of the paper's fit by quantity.
    resamples
        Bootstrap resamples behind the errors.

    Returns
    -------
    DataFrame
        One row a quantity: draw, quantity, n, mean, sd, fit_method (`resampled_fits`),
        fit_amplitude, fit_mean, fit_mean_err, fit_sd, fit_sd_err, printed_mean, printed_sd; units
        arcsec, km/s, none.
    """
    rows = []
    for name in QUANTITIES:
        values = lenses[name]
        n = len(values)
        method, (fit, *again) = resampled_fits(values, resamples)
        error = np.std(again, axis=0, ddof=1)
        rows.append({
            "draw": draw, "quantity": name, "n": n, "mean": values.mean(), "sd": values.std(),
            "fit_method": method, "fit_amplitude": fit[0],
            "fit_mean": fit[1], "fit_mean_err": error[1], "fit_sd": fit[2], "fit_sd_err": error[2],
            "printed_mean": printed[name][0], "printed_sd": printed[name][1],
        })  # fmt: skip
    return pd.DataFrame(rows)
