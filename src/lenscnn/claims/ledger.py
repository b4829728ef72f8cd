"""The claims ledger: ours beside each printed number, with a verdict."""

import ast
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from lenscnn.claims import formulas
from lenscnn.claims.formulas import FormulaError, Quantity
from lenscnn.claims.quantities import NotComputed, RunResults
from lenscnn.claims.registry import KINDS, LOWER, UNITY, ClaimError, reason_for
from lenscnn.core import storage

SPREAD = "spread"
"""Tolerance of the second number of ``mean_and_spread``."""

CONTRADICTED = "contradicts itself"
"""Verdict on what the paper has another number for, however ours compares with this one."""

NOT_COMPARED = "not compared"
"""Verdict where ours is of what the paper does not have: another survey, another network."""

VERDICTS = (
    "match", "within tolerance", "better", "worse", "differs", "undecided", "satisfied",
    "not satisfied", CONTRADICTED, NOT_COMPARED, "not computed",
)  # fmt: skip

_EXPLAINED = ("better", "worse", "differs", "not satisfied")

TOO_FEW_IMAGES = "too few test images in this run"


@dataclass(frozen=True)
class Estimate:
    """Ours beside a printed claim.

    Attributes
    ----------
    values, errors : ndarray, shape (k,)
        In the units of the claim.
    n_seeds
        Training seeds they are means over; 0 if no network is behind them.
    note
        As of `formulas.Quantity`.
    """

    values: np.ndarray
    errors: np.ndarray
    n_seeds: int
    note: str = ""


def evaluate(claim: pd.Series, results: RunResults) -> Estimate:
    """Return ours: the mean over training seeds, with bootstrap errors joined with their scatter.

    Parameters
    ----------
    claim
        Row of the registry.
    results
        What the paper's reading has made.

    Raises
    ------
    NotComputed
        If of each seed some predictions are still to be made, or if the configuration has no such
        view or subset.
    ClaimError
        If the formula asks for what no run makes, for files of another run or two of the
        same thing, or gives other units or another count of numbers than the claim has.
    """
    tree = formulas.parse(claim["formula"])
    trained = formulas.calls(tree) & results.OF_NETWORKS
    seeds = results.seeds() if trained else [None]
    try:
        found = _of_each_seed(tree, results, seeds)
    except (FormulaError, storage.DataFileError) as error:
        raise ClaimError(f"{claim['id']}: {error}") from error
    count = 1 if claim["kind"] == "bounds" else len(claim["value"].split("|"))
    units = tuple(claim["unit"].split("|"))
    units = units * count if len(units) == 1 else units
    if found[0].units != units or len(units) != count:
        raise ClaimError(
            f"{claim['id']}: the formula gives {len(found[0].units)} in {found[0].units}, "
            f"the claim has {count} in {units}"
        )
    values = np.stack([quantity.values for quantity in found])  # (seeds, k, 1 + resamples)
    ours, draws = values[..., 0], values[..., 1:]
    # Seeds share the test images, so this part does not shrink with their number.
    errors = draws.std(axis=-1, ddof=1).mean(axis=0) if draws.size else np.zeros(count)
    if len(found) > 1:
        errors = np.hypot(errors, ours.std(axis=0, ddof=1) / np.sqrt(len(found)))
    return Estimate(ours.mean(axis=0), errors, len(found) if trained else 0, found[0].note)


def _of_each_seed(tree: ast.Expression, results: RunResults, seeds: list) -> list[Quantity]:
    """Evaluate a formula for each seed whose predictions are here; raise if there is none."""
    found, missing = [], []
    for seed in seeds:
        try:
            functions = results.functions(seed)
            found.append(formulas.evaluate(tree, functions, results.CONSTANTS))
        except NotComputed as error:
            missing.append(error)
    if not found:
        raise missing[0]
    return found


def verdict(claim: pd.Series, found: Estimate, tolerances: dict[str, float]) -> tuple[str, float]:
    """Return the verdict on a claim, and how far ours departs from it.

    Parameters
    ----------
    claim
        Row of the registry.
    found
        From `evaluate`.
    tolerances
        By kind, relative: to the printed number; for ``factor`` to the largest of the row; for
        ``drop`` and ``rise`` to the larger of the two numbers compared, in units of the first.
        `SPREAD` is that of the spread in a ``mean_and_spread``, relative to it.

    Returns
    -------
    verdict : str
        One of `VERDICTS`: for several numbers the worst; "differs" if some are better, some
        worse; "undecided" for a match that says little, because twice the error is above the
        printed number (of a factor, the largest of the row), or where a bound is within it.
    departure : float
        Ours less the printed number, over its combined error or its tolerance, whichever is
        larger; the largest of several. nan where there is no tolerance.
    """
    kind, texts = claim["kind"], claim["value"].split("|")
    if np.isnan(found.values).any():
        return "not computed", np.nan
    if kind == "bounds":
        low, high = (
            float(text) if text else end for text, end in zip(texts, (-np.inf, np.inf), strict=True)
        )
        ours, reach = found.values[0], 2 * found.errors[0]
        kept = low <= ours <= high
        if min(abs(ours - low), abs(ours - high)) < reach:
            return "undecided", np.nan
        return ("satisfied" if kept else "not satisfied"), np.nan
    printed = np.array([float(text) for text in texts])
    if kind == "count":
        return ("match" if np.array_equal(found.values, printed) else "differs"), np.nan
    common = {"factor": printed.max(), "drop": 100.0, "rise": 100 + printed.max()}
    whole = np.full(len(printed), common[kind]) if kind in common else np.abs(printed)
    tolerance = tolerances[kind] * whole
    if claim["formula"].startswith("mean_and_spread("):
        tolerance[1] = tolerances[SPREAD] * printed[1]
    half_digit = [0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent) for text in texts]
    error = np.hypot(found.errors, half_digit)
    difference = np.abs(found.values - printed)
    departure = float((difference / np.maximum(error, tolerance)).max())
    off = difference > 2 * error
    if not off.any():
        most = whole if kind == "factor" else np.abs(printed)
        return ("undecided" if (2 * found.errors > most).any() else "match"), departure
    off &= difference > tolerance
    if not off.any():
        return "within tolerance", departure
    goal = {LOWER: 0.0, UNITY: 1.0}.get(KINDS[kind])
    if goal is None:
        return "differs", departure
    better = np.abs(found.values - goal)[off] < np.abs(printed - goal)[off]
    return ("better" if better.all() else "differs" if better.any() else "worse"), departure


def has_second(claim: pd.Series, first: RunResults, second: RunResults) -> bool:
    """Return whether a second variant has all that a claim asks for, some from other files."""
    if not claim["formula"]:
        return False
    tree = formulas.parse(claim["formula"])
    if not formulas.calls(tree) & (first.OF_NETWORKS | first.OF_SAMPLES):
        return False
    asked = [name for name in formulas.texts(tree, first.CONSTANTS) if first.files(name)]
    return all(second.files(name) for name in asked) and any(
        second.files(name) != first.files(name) for name in asked
    )


def make_ledger(
    registry: pd.DataFrame,
    papers: dict[str, list[RunResults]],
    tolerances: dict[str, float],
    reasons: pd.DataFrame,
    scale: str,
) -> pd.DataFrame:
    """Lay ours and verdicts beside the registry, for both variants of each paper.

    Parameters
    ----------
    registry
        From `read_registry`.
    papers
        Of each paper the results of its first reading and, if there is one, of its second.
    tolerances
        As in `verdict`.
    reasons
        From `read_reasons`.
    scale
        Of the run; all but ``paper`` is marked as indicative.

    Returns
    -------
    DataFrame
        Column scale, those of the registry, and ours, error, n_seeds, verdict, comparison (the
        verdict but for `CONTRADICTED`), departure and reason (how ours was computed, where a
        reader must know; why it is another number, or is not computed); the same with ``_2`` for
        the second reading, empty where it has nothing else to say. Several numbers of one claim are
        separated by "|".

    Raises
    ------
    ClaimError
        As `evaluate`.
    """
    rows = []
    for _, claim in registry.iterrows():
        if claim["paper"] not in papers:
            raise ClaimError(f"{claim['id']}: paper {claim['paper']!r} is none of {list(papers)}")
        first, *others = papers[claim["paper"]]
        row = {"scale": scale if scale == "paper" else f"{scale} (indicative only)"}
        row |= claim.to_dict() | _entry(claim, first, tolerances, reasons, "1")
        other = dict.fromkeys(_ENTRY, "")
        if others and has_second(claim, first, others[0]):
            other = _entry(claim, others[0], tolerances, reasons, "2")
        rows.append(row | {f"{name}_2": value for name, value in other.items()})
    return pd.DataFrame(rows)


_ENTRY = ("ours", "error", "n_seeds", "verdict", "comparison", "departure", "reason")


def _entry(claim: pd.Series, results: RunResults, tolerances, reasons, reading: str) -> dict:
    nothing = dict.fromkeys(_ENTRY, "")
    nothing |= {"verdict": "not computed", "comparison": "not computed"}
    if not claim["formula"]:
        return nothing  # its note says why
    try:
        found = evaluate(claim, results)
    except NotComputed as missing:
        return nothing | {"reason": str(missing)}
    compared, departure = verdict(claim, found, tolerances)
    if compared == "not computed":
        return nothing | {"reason": TOO_FEW_IMAGES}
    reason = reason_for(reasons, claim["id"], reading) if compared in _EXPLAINED else ""
    if others := _list_changed(claim, results):
        compared, departure, reason = NOT_COMPARED, np.nan, f"not as the paper: {', '.join(others)}"
    ours, error = (
        "|".join(f"{number:.7g}" for number in numbers) for numbers in (found.values, found.errors)
    )
    return {
        "ours": ours,
        "error": error,
        "n_seeds": found.n_seeds,
        "verdict": CONTRADICTED if claim["contradicts"] and not others else compared,
        "comparison": compared,
        "departure": "" if np.isnan(departure) else f"{departure:.3g}",
        "reason": "; ".join(filter(None, (found.note, reason))),
    }


def _list_changed(claim: pd.Series, results: RunResults) -> list[str]:
    """Return what is not as the paper has it, of the views and samples that a formula asks for."""
    tree = formulas.parse(claim["formula"])
    asked = formulas.texts(tree, results.CONSTANTS)
    if not asked and formulas.calls(tree) & results.OF_NETWORKS:
        asked = list(results.predictions)  # a function that looks at all views by itself
    return list(dict.fromkeys(c for name in asked for c in results.changed.get(name, [])))
