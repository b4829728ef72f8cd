"""Fisher information of noisy data, and the least errors of parameters that it allows.

Data are a mean that depends on parameters plus noise of known variance. Counts of photons have
variance m and information (dm)^2 / m, which is (dm)^2 / variance, exactly. That the variance
itself tells of m adds to Gaussian noise of the same variance 1/2 (dm)^2 / variance^2, which is
no part of the counts' information and is left out. A galaxy that was subtracted is no part of the
mean, and all that tells of it is the variance that its photons left.
"""

import numpy as np

SINGULAR = 1e-12
"""Smallest eigenvalue, over a unit diagonal, below which parameters cannot be told apart."""

TIED = 1e-8
"""Smallest eigenvalue that the correlations of a sample may have: lower ones are set to it.

It also stands for the scatter of a parameter that is the same in the whole sample.
"""


def information(jacobian: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the Fisher information of independent data.

    Parameters
    ----------
    jacobian : ndarray, shape (n, k, m)
        Derivatives of m means by k parameters, of n data sets.
    variance : ndarray, shape (n, m)
        Of the noise.

    Returns
    -------
    ndarray, shape (n, k, k)
        Information of several exposures or bands adds up.
    """
    weighted = jacobian / np.sqrt(variance)[:, None]
    return weighted @ weighted.swapaxes(1, 2)


def information_in_variance(jacobian: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the Fisher information that independent data hold in their variance alone.

    It is 1/2 dV_i dV_j / V^2, of Gaussian noise (Tegmark, Taylor & Heavens 1997, equation 15). The
    noise of expected counts that were subtracted tells as much of them to first order in 1 / V, and
    nothing together with what is left: the score of a mean that is left is (count - V) / V, and
    the mean does not change with what was subtracted. Readout in the variance changes the latter by
    the fraction of the variance that it has.

    Parameters
    ----------
    jacobian : ndarray, shape (n, k, m)
        Derivatives of m variances by k parameters, of n data sets.
    variance : ndarray, shape (n, m)

    Returns
    -------
    ndarray, shape (n, k, k)
        Adds up with the `information` in the mean.
    """
    return information(jacobian, 2 * variance**2)


def bounds(information: np.ndarray, n_wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance of the first parameters, all others being unknown (Cramer-Rao).

    The inverse of the whole matrix, of which a block is taken: the others are marginalised. With
    the information of a Gaussian prior added it is the posterior covariance.

    Parameters
    ----------
    information : ndarray, shape (n, k, k)
    n_wanted
        How many parameters are wanted, the first ones.

    Returns
    -------
    covariance : ndarray, shape (n, n_wanted, n_wanted)
        Infinite variances and no correlation where the matrix is singular.
    singular : ndarray of bool, shape (n,)
    """
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = information / (scale[:, :, None] * scale[:, None, :])
    scaled[~np.isfinite(scaled).all(axis=(1, 2))] = 0.0
    singular = np.linalg.eigvalsh(scaled)[:, 0] <= SINGULAR
    scaled[singular] = np.eye(information.shape[1])
    inverse = np.linalg.inv(scaled) / (scale[:, :, None] * scale[:, None, :])
    covariance = inverse[:, :n_wanted, :n_wanted].copy()
    covariance[singular] = np.diag(np.full(n_wanted, np.inf))
    return covariance, singular


def prior_of(sample: np.ndarray) -> np.ndarray:
    """Return the information of a Gaussian prior with the covariance of a sample, (k, k).

    Of all distributions with these second moments a Gaussian tells least. Parameters that are
    functions of each other in the sample count as tied to within 1e-4 of their scatter (`TIED`);
    those that are the same in all of it count as known.

    Parameters
    ----------
    sample : ndarray, shape (n, k)

    Raises
    ------
    ValueError
        If the sample is too small for a covariance.
    """
    n, k = sample.shape
    if n <= k + 1:
        raise ValueError(f"a prior of {k} parameters takes more than {k + 1} lenses, not {n}")
    covariance = np.atleast_2d(np.cov(sample, rowvar=False))
    deviation = np.sqrt(np.diag(covariance))
    deviation[deviation == 0] = TIED
    scale = np.outer(deviation, deviation)
    values, vectors = np.linalg.eigh(covariance / scale)
    return (vectors / np.maximum(values, TIED)) @ vectors.T / scale


def without_scale(prior: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return a Gaussian prior's information with nothing known along one direction.

    Parameters
    ----------
    prior : ndarray, shape (k, k)
        Information.
    direction : ndarray, shape (k,)
        Of the shift of all parameters that is free.
    """
    pushed = prior @ direction
    return prior - np.outer(pushed, pushed) / (direction @ pushed)


def conditional_prior(sample: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the information of p(parameters | others), Gaussian with a sample's moments.

    It ties the parameters to the others and leaves the others free.

    Parameters
    ----------
    sample : ndarray, shape (n, p)
        The parameters.
    given : ndarray, shape (n, r)
        The others.

    Returns
    -------
    ndarray, shape (p + r, p + r)
    """
    joint = prior_of(np.concatenate([sample, given], axis=1))
    joint[sample.shape[1] :, sample.shape[1] :] -= prior_of(given)
    return joint
