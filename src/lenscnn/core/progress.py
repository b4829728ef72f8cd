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
        """Count some more as done; with none, the line still shows that work goes on."""
        self.done += count
        now = time.perf_counter()
        if now - self._said < EVERY and self.done < self.n:
            return
        self._said, passed = now, now - self._begun
        print(f"{self.done}/{self.n} {self.things}{self._pace(passed)}", flush=True)

    def _pace(self, passed: float) -> str:
        if not self.done:
            return f" in {passed:.0f} s"
        rate = self.done / passed
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        return f", {speed} a second, {(self.n - self.done) / rate:.0f} s to go"
