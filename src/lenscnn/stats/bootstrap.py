"""Bootstrap resamples."""

from collections.abc import Iterator

import numpy as np

_BOOTSTRAP_SEED = 20190401

_CHUNK = 2_000_000  # resampled values held at a time: 16 MB for each of a few arrays


def resampled_rows(n: int, resamples: int) -> Iterator[np.ndarray]:
    """Draw rows of a bootstrap, some resamples at a time to bound the memory.

    They depend on n alone: estimates of the same test set are resampled alike, and differences
    between them are paired.

    Parameters
    ----------
    n
        Rows to draw from and in a resample.
    resamples
        Number of resamples, at least 2.

    Yields
    ------
    ndarray of int, shape (k, n)
        The k of all blocks add up to `resamples`.
    """
    if resamples < 2:
        raise ValueError(f"a bootstrap needs at least 2 resamples, not {resamples}")
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    step = max(1, _CHUNK // n)
    for start in range(0, resamples, step):
        yield rng.integers(n, size=(min(step, resamples - start), n))
