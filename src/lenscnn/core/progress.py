"""How far long work has come, as lines of a log."""

import time

EVERY = 5.0
"""Seconds between two lines."""


class Progress:
    """Counts what is done, and prints now and then how fast that goes and how long it will take.

    Parameters
    ----------
    n
        How many things there are to do.
    things
        What they are, in the plural.
    """

    def __init__(self, n: int, things: str):
        self.n, self.things, self.done = n, things, 0
        self._begun = self._said = time.perf_counter()

    def add(self, count: int) -> None:
        """Count some more as done."""
        self.done += count
        now = time.perf_counter()
        if now - self._said < EVERY and self.done < self.n:
            return
        self._said, rate = now, self.done / (now - self._begun)
        print(
            f"{self.done}/{self.n} {self.things}, {rate:,.0f} a second, "
            f"{(self.n - self.done) / rate:.0f} s to go",
            flush=True,
        )
