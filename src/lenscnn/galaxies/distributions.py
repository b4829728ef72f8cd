"""Distributions that both populations draw from, by inverting them at a uniform number."""

import numpy as np
from scipy.special import ndtr, ndtri


def truncated_normal(u, mean, sd: float, minimum=-np.inf, maximum=np.inf):
    """Return normal numbers cut to [minimum, maximum], from the uniform numbers `u`.

    Parameters
    ----------
    u : ndarray, shape (n,)
        In (0, 1).
    mean, sd
        Of the distribution before it is cut, in the unit of the result; all but `sd` may be arrays.
    minimum, maximum
        Cuts; none unless given.

    Returns
    -------
    ndarray, shape (n,)
    """
    low, high = ndtr((minimum - mean) / sd), ndtr((maximum - mean) / sd)
    return mean + sd * ndtri(low + u * (high - low))
