"""The table of speeds: what an image costs in arithmetic, and rates of rounds made into rows.

A row compares a stage with one peer. Rates come from rounds in which ours, the peers and the
machine's arithmetic take turns, so that ratios are of neighbours in time; what is given is the
median over the rounds, with the least and the most.
"""

from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = (
    "stage", "device", "machine", "unit", "ours", "ours_least", "ours_most",
    "peer", "peer_rate", "ratio", "ratio_least", "ratio_most", "difference",
    "mflop", "floor", "of_floor", "of_floor_least", "of_floor_most", "of_matmul",
)  # fmt: skip
"""Columns of the table, explained in benchmarks/README.md."""

# Operations as the formulas need them, at the least; an estimate of a reciprocal square root with
# one Newton step counts five, a logarithm or an exponential in single precision fifteen.
_PAIR = 10  # a subhalo at a pixel: the distance's reciprocal, two products added

_SIE = 70  # the ellipsoid's deflection, a series of seven terms

_SERSIC = 72  # a profile at a point, and whether a square around it is small enough

_GAUSSIAN = 20

_NORMAL = 20  # a normal number from two uniform ones

_POISSON = 20  # made of a normal one, and the background


def gaussian_source_flop(n_pix: int, n_subhaloes: float) -> float:
    """Return operations for one image of a Gaussian source, not supersampled, without its PSF."""
    return n_pix**2 * (_PAIR * n_subhaloes + _SIE + _GAUSSIAN + _NORMAL)


def sersic_galaxies_flop(n_pix: int, supersampling: int, n_bands: int) -> float:
    """Return operations for one system of Sersic galaxies: source, lens light, noise of each band.

    Squares that are quartered and the PSF are left out: a floor, not an estimate.
    """
    points = (n_pix * supersampling) ** 2
    return points * (_SIE + 2 * _SERSIC) + n_pix**2 * n_bands * (2 * _NORMAL + _POISSON)


def row(
    stage: str,
    place: dict[str, str],
    ours: list[float],
    flop: float,
    matmul: list[float],
    arithmetic: list[float],
    peer: str = "",
    theirs: list[float] | float = np.nan,
    difference: float = np.nan,
) -> dict:
    """Make a row of the table.

    Parameters
    ----------
    stage
        What was done.
    place
        ``device``, ``machine`` and ``unit`` of the rates.
    ours
        Images per second, by round.
    flop
        Operations that an image needs at the least.
    matmul
        Operations per second in a matrix product, by round.
    arithmetic
        The same in whatever the machine does fastest; the floor.
    peer
        Name and version of another's code; empty for none.
    theirs
        Its images per second, by round, or one stated rate.
    difference
        Between its images and ours, in units of the peak.

    Returns
    -------
    dict
        With the keys `COLUMNS`.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    ratio = ours / theirs
    of_floor = ours * flop / np.asarray(arithmetic)
    cells = {
        "stage": stage, **place, **_spread("ours", ours),
        "peer": peer, "peer_rate": np.median(theirs), **_spread("ratio", ratio),
        "difference": difference, "mflop": flop / 1e6, "floor": np.median(arithmetic) / flop,
        **_spread("of_floor", of_floor),
        "of_matmul": np.median(ours * flop / np.asarray(matmul)),
    }  # fmt: skip
    return {name: cells[name] for name in COLUMNS}


def _spread(name: str, values: np.ndarray) -> dict[str, float]:
    return {
        name: np.median(values), f"{name}_least": values.min(), f"{name}_most": values.max()
    }  # fmt: skip


def update(path: Path, rows: list[dict]) -> pd.DataFrame:
    """Put rows into the table in `path`, in place of those of the same stages and machine.

    Parameters
    ----------
    path
        CSV file; need not exist.
    rows
        From `row`.

    Returns
    -------
    DataFrame
        The table as written.
    """
    table = pd.DataFrame(rows, columns=COLUMNS)
    if path.exists():
        before = pd.read_csv(path)
        new = set(zip(table["machine"], table["stage"], strict=True))
        old = [key not in new for key in zip(before["machine"], before["stage"], strict=True)]
        table = pd.concat([before[old], table])
        table = table.sort_values(["device", "machine", "stage"], kind="stable")
    table.to_csv(path, index=False, float_format="%.4g")
    return pd.read_csv(path)
