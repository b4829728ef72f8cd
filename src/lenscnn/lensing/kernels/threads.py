"""Compiled loops over the images of a batch: options, and one thread for each core."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

# Numba may reorder sums and take an approximate reciprocal square root with a Newton step, but
# must not assume that every number is finite: bad input has to show.
OPTIONS = {
    "nogil": True,
    "fastmath": {"reassoc", "contract", "arcp", "afn", "nsz"},
    "error_model": "numpy",
}

# Whole functions inside their callers: as functions of their own the process that compiles them
# and those that read them from the cache would round differently.
INLINED = OPTIONS | {"inline": "always"}


def in_threads(loop: Callable[[int, int], None], n_images: int) -> None:
    """Call `loop(first, last)` on parts of the images, in as many threads as torch would use."""
    # The loops release the interpreter's lock, so that plain threads run side by side.
    n_threads = min(torch.get_num_threads(), n_images)
    if n_threads > 1:
        edges = [n_images * thread // n_threads for thread in range(n_threads + 1)]
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(loop, edges[:-1], edges[1:]))
    else:
        loop(0, n_images)
