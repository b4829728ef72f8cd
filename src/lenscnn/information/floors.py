"""How far estimates are from what their data allow: a factor, and a floor of their own."""

import numpy as np

_ROUNDS = 30


def factor_and_floor(errors: np.ndarray, limits: np.ndarray) -> tuple[float, float]:
    """Fit mean squares of errors by a^2 limit^2 + b^2.

    A factor a above 1 is error in proportion to the limit; a floor b is the error that remains
    where limits are small. Both describe a set of data, and a few large errors rule them. The fit
    is a quasi-likelihood with the standard deviation of a squared error proportional to its mean,
    which takes no distribution but the second moment.

    Parameters
    ----------
    errors, limits : ndarray, shape (n,)
        Of each estimate, its error and the least rms error that is possible, in one unit.

    Returns
    -------
    a, b
        Neither negative.
    """
    squares, bounds = errors**2, limits**2
    typical = squares.mean()
    mean = np.full_like(squares, typical)
    solution = np.zeros(2)
    for _ in range(_ROUNDS):
        before, weights = solution, mean**-2
        solution = _line(bounds, squares, weights)
        if np.allclose(solution, before, rtol=1e-4):
            break
        # Where next to nothing is expected one error would weigh more than all others.
        mean = np.maximum(solution[0] * bounds + solution[1], 1e-3 * typical)
    return float(np.sqrt(solution[0])), float(np.sqrt(solution[1]))


def _line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return slope and intercept of a weighted least-squares line, neither negative."""
    w, wx, wy = weights.sum(), weights @ x, weights @ y
    wxx, wxy = weights @ x**2, (weights * x) @ y
    slope = (w * wxy - wx * wy) / (w * wxx - wx**2)
    intercept = (wy - slope * wx) / w
    if intercept < 0:
        return np.array([max(wxy / wxx, 0.0), 0.0])
    return np.array([slope, intercept]) if slope > 0 else np.array([0.0, wy / w])
