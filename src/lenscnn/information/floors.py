"""How far estimates are from what their data allow: a factor, and a floor of their own."""

import numpy as np
from scipy.optimize import nnls

_ROUNDS = 50


def factor_and_floor(errors: np.ndarray, limits: np.ndarray) -> tuple[float, float]:
    """Fit mean squares of errors by a^2 limit^2 + b^2.

    A factor a above 1 is inefficiency: information that is in the data and lost in proportion. A
    floor b is an error that better data do not lessen. The fit is a quasi-likelihood with the
    standard deviation of a squared error proportional to its mean, which takes no distribution
    but the second moment.

    Parameters
    ----------
    errors, limits : ndarray, shape (n,)
        Of each estimate, its error and the least rms error that is possible, in one unit.

    Returns
    -------
    a, b
        Neither negative.
    """
    squares = errors**2
    columns = np.stack([limits**2, np.ones_like(limits)], axis=1)
    mean = np.full_like(squares, squares.mean())
    solution = np.zeros(2)
    for _ in range(_ROUNDS):
        before = solution
        solution, _ = nnls(columns / mean[:, None], squares / mean)
        if np.allclose(solution, before, rtol=1e-6):
            break
        # Where next to nothing is expected one error would weigh more than all others.
        mean = np.maximum(columns @ solution, 1e-3 * squares.mean())
    return float(np.sqrt(solution[0])), float(np.sqrt(solution[1]))
