"""Weighted least squares with a Gaussian prior: the estimate that reaches the bounds."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

Model = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From parameters (k,) to mean (m,), its derivatives (k, m) and the variance of the noise (m,)."""

_EVALUATIONS = 60


class Prior(NamedTuple):
    """A Gaussian prior: mean (k,) and information (k, k)."""

    mean: np.ndarray
    information: np.ndarray


class Fit(NamedTuple):
    """What a fit found: parameters, half of chi^2 with that of the prior, evaluations, success."""

    parameters: np.ndarray
    cost: float
    evaluations: int
    converged: bool


def fit(
    model: Model,
    data: np.ndarray,
    start: np.ndarray,
    prior: Prior | None,
    limits: tuple[np.ndarray, np.ndarray],
) -> Fit:
    """Fit parameters by SciPy's least squares in a trust region, with the model's derivatives.

    The noise's variance is that of the model at the start, and in a second round that of the model
    at the first round's result.

    Parameters
    ----------
    model
        The data's mean, derivatives and variance.
    data : ndarray, shape (m,)
    start : ndarray, shape (k,)
        Moved inside the limits if need be.
    prior
        None for none.
    limits
        Lowest and highest parameters.
    """
    root = np.zeros((len(start), len(start)))
    if prior is not None:
        root = np.linalg.cholesky(prior.information).T
    mean = np.zeros_like(start) if prior is None else prior.mean
    inside = 1e-6 * np.minimum(limits[1] - limits[0], 1.0)
    x = np.clip(start, limits[0] + inside, limits[1] - inside)
    evaluations = 0
    for _ in range(2):
        at = _Remembered(model)
        sigma = np.sqrt(at(x)[2])

        def residuals(x, at=at, sigma=sigma):
            return np.concatenate([(at(x)[0] - data) / sigma, root @ (x - mean)])

        def slopes(x, at=at, sigma=sigma):
            return np.concatenate([(at(x)[1] / sigma).T, root])

        found = least_squares(
            residuals, x, slopes, limits, x_scale="jac", ftol=1e-7, xtol=1e-6, gtol=None,
            max_nfev=_EVALUATIONS,
        )  # fmt: skip
        x, evaluations = found.x, evaluations + at.evaluations
    return Fit(x, float(found.cost), evaluations, bool(found.success))


class _Remembered:
    """A model that is not asked twice for the same parameters in a row."""

    def __init__(self, model: Model):
        self.model, self.evaluations = model, 0
        self.found: dict[bytes, tuple] = {}

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if x.tobytes() not in self.found:
            self.found = {x.tobytes(): self.model(x)}
            self.evaluations += 1
        return self.found[x.tobytes()]
