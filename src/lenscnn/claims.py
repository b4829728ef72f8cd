"""The claims ledger: every number that the papers print, beside ours, with a verdict.

A few rows, "(derived)", hold what follows from printed numbers and is not printed itself.

The registry, config/claims.csv, has one row a claim. Its ``value`` holds the printed number, or
several separated by "|", to as many digits as are printed (7e2 is 700 to one digit); of a claim
of kind ``bounds`` it holds a lower and an upper bound, either of which may be missing. Its
``formula`` (`lenscnn.formulas`, `lenscnn.products`) gives ours.
"""

import fnmatch
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
import pandas as pd

from lenscnn import formulas, storage
from lenscnn.formulas import FormulaError
from lenscnn.products import (
    CONSTANTS,
    FUNCTIONS,
    OF_NETWORKS,
    OF_SAMPLES,
    NotMade,
    Products,
)

COLUMNS = (
    "id", "paper", "where", "printed", "value", "unit", "kind", "formula", "contradicts", "note"
)  # fmt: skip
"""Columns of the registry."""

_LOWER, _UNITY, _NEITHER = "lower", "unity", "neither"
KINDS = {
    "rms": _LOWER, "rmse": _LOWER, "bias": _LOWER, "gradient": _UNITY, "correlation": _UNITY,
    "sigma": _NEITHER,
    "fit": _NEITHER, "population": _NEITHER, "extreme": _NEITHER, "factor": _NEITHER,
    "drop": _NEITHER, "rise": _NEITHER, "rmse_at_alpha": _NEITHER,
}  # fmt: skip
"""Kinds of claims that have a tolerance, and which way is better: lower, nearer 1, neither."""
SPREAD = "spread"
"""Tolerance of the second number of ``mean_and_spread``."""

_OTHER_KINDS = ("count", "bounds", "none")  # equal or not, kept or not, nothing to compare

CONTRADICTED = "contradicts itself"
"""Verdict on what the paper has another number for, however ours compares with this one."""
VERDICTS = (
    "match", "within tolerance", "better", "worse", "differs", "undecided", "satisfied",
    "not satisfied", CONTRADICTED, "not computed",
)  # fmt: skip
_EXPLAINED = ("better", "worse", "differs", "not satisfied")
REASONS = ("claims", "reading", "reason")
"""Columns of the reasons: pattern of ids, 1 or 2 for the reading, why ours is another number."""

EMPTY = "too few test images in this run"


class ClaimError(ValueError):
    """A row of the registry is bad; the message begins with its id."""


@dataclass(frozen=True)
class Found:
    """Ours beside a printed claim.

    Attributes
    ----------
    values, errors : ndarray, shape (k,)
        In the units of the claim.
    n_seeds
        Training seeds they are means over; 0 if no network is behind them.
    """

    values: np.ndarray
    errors: np.ndarray
    n_seeds: int


def read_registry(path) -> pd.DataFrame:
    """The registry, checked as far as that goes without products; all columns are texts.

    Raises
    ------
    ClaimError
        If an id is there twice, a kind is unknown, a value is no number, a formula cannot be
        read, or there is neither a formula nor a note that says why.
    """
    registry = pd.read_csv(path, dtype=str, keep_default_na=False)
    if tuple(registry.columns) != COLUMNS:
        raise ClaimError(f"{path}: the columns must be {', '.join(COLUMNS)}")
    for id, rows in registry.groupby("id", sort=False):
        if len(rows) > 1:
            raise ClaimError(f"{id}: there are {len(rows)} claims of this id")
        claim = rows.iloc[0]
        if claim["kind"] not in (*KINDS, *_OTHER_KINDS):
            raise ClaimError(f"{id}: kind {claim['kind']!r} is none of {', '.join(KINDS)}")
        if (claim["formula"] == "") != (claim["kind"] == "none"):
            raise ClaimError(f"{id}: a claim of kind none, and no other, has no formula")
        if not claim["formula"] and not claim["note"]:
            raise ClaimError(f"{id}: no formula, and no note that says why")
        try:
            may_lack = claim["kind"] in ("bounds", "none")
            texts = claim["value"].split("|")
            printed = [Decimal(text or 0 if may_lack else text) for text in texts]
            if claim["formula"]:
                _tree(claim)
        except InvalidOperation:
            raise ClaimError(f"{id}: {claim['value']!r} is not made of numbers") from None
        except FormulaError as error:
            raise ClaimError(f"{id}: {error}") from None
        if not all(number.is_finite() for number in printed):
            raise ClaimError(f"{id}: {claim['value']!r} is not made of finite numbers")
        if claim["kind"] == "bounds" and len(printed) != 2:
            raise ClaimError(f"{id}: bounds are two numbers, not {claim['value']!r}")
    return registry


def read_reasons(path, registry: pd.DataFrame) -> pd.DataFrame:
    """Why ours is another number, where that is known; the first that fits a claim holds.

    Raises
    ------
    ClaimError
        If a pattern fits no claim, or a reading is neither 1 nor 2.
    """
    reasons = pd.read_csv(path, dtype=str, keep_default_na=False)
    if tuple(reasons.columns) != REASONS:
        raise ClaimError(f"{path}: the columns must be {', '.join(REASONS)}")
    for _, row in reasons.iterrows():
        if not fnmatch.filter(registry["id"], row["claims"]):
            raise ClaimError(f"{path}: no claim is called {row['claims']}")
        if row["reading"] not in ("1", "2"):
            raise ClaimError(f"{path}: {row['claims']}: reading {row['reading']!r} is not 1 or 2")
    return reasons


def _reason(reasons: pd.DataFrame, id: str, reading: str) -> str:
    for _, row in reasons[reasons["reading"] == reading].iterrows():
        if fnmatch.fnmatchcase(id, row["claims"]):
            return row["reason"]
    return ""


def printed(registry: pd.DataFrame, formula: str) -> float:
    """The number that is printed for what a formula computes; nan where no claim has it.

    Raises
    ------
    ClaimError
        If claims of this formula print different numbers.
    """
    claims = registry[registry["formula"] == formula]
    if len(set(claims["value"])) > 1:
        raise ClaimError(f"{', '.join(claims['id'])}: different numbers for one {formula}")
    return float(claims["value"].iloc[0]) if len(claims) else np.nan


def _tree(claim: pd.Series):
    return formulas.parse(claim["formula"], FUNCTIONS, CONSTANTS)


def evaluate(claim: pd.Series, products: Products) -> Found:
    """Ours: the mean over training seeds, errors from the bootstrap joined with their scatter.

    Parameters
    ----------
    claim
        Row of the registry.
    products
        What the paper's reading has made.

    Raises
    ------
    NotMade
        If the formula asks for files that the run is still to make, or for a view or subset that
        its configuration has not.
    ClaimError
        If the formula asks for what no run makes, for files of another run or two of the
        same thing, or gives other units or another count of numbers than the claim has.
    """
    tree = _tree(claim)
    trained = formulas.calls(tree) & OF_NETWORKS
    seeds = products.seeds() if trained else [None]
    try:
        found = [formulas.evaluate(tree, products.functions(seed), CONSTANTS) for seed in seeds]
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
    if len(seeds) > 1:
        errors = np.hypot(errors, ours.std(axis=0, ddof=1) / np.sqrt(len(seeds)))
    return Found(ours.mean(axis=0), errors, len(seeds) if trained else 0)


def verdict(claim: pd.Series, found: Found, tolerances: dict[str, float]) -> tuple[str, float]:
    """What to say of a claim.

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
    half_digit = [0.5 * 10.0 ** Decimal(text).as_tuple().exponent for text in texts]
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
    goal = {_LOWER: 0.0, _UNITY: 1.0}.get(KINDS[kind])
    if goal is None:
        return "differs", departure
    better = np.abs(found.values - goal)[off] < np.abs(printed - goal)[off]
    return ("better" if better.all() else "differs" if better.any() else "worse"), departure


def has_second(claim: pd.Series, first: Products, second: Products | None) -> bool:
    """Whether a second reading has all that a claim asks for, and some of it from other files."""
    if second is None or not claim["formula"]:
        return False
    tree = _tree(claim)
    if not formulas.calls(tree) & (OF_NETWORKS | OF_SAMPLES):
        return False
    asked = [name for name in formulas.texts(tree, CONSTANTS) if first.files(name)]
    return all(second.files(name) for name in asked) and any(
        second.files(name) != first.files(name) for name in asked
    )


def ledger(
    registry: pd.DataFrame,
    papers: dict[str, list[Products]],
    tolerances: dict[str, float],
    reasons: pd.DataFrame,
    scale: str,
) -> pd.DataFrame:
    """The registry with ours and verdicts, for both readings of each paper.

    Parameters
    ----------
    registry
        From `read_registry`.
    papers
        Of each paper the products of its first reading and, if there is one, of its second.
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
        verdict but for `CONTRADICTED`), departure and reason (why ours is another number, or is
        not computed); the same with ``_2`` for the second reading, empty where it has nothing
        else to say. Several numbers of one claim are separated by "|".

    Raises
    ------
    ClaimError
        As `evaluate`.
    """
    rows = []
    for _, claim in registry.iterrows():
        if claim["paper"] not in papers:
            raise ClaimError(f"{claim['id']}: paper {claim['paper']!r} is none of {list(papers)}")
        first, second = (papers[claim["paper"]] + [None])[:2]
        row = {"scale": scale if scale == "paper" else f"{scale} (indicative only)"}
        row |= claim.to_dict() | _entry(claim, first, tolerances, reasons, "1")
        asked = has_second(claim, first, second)
        nothing = dict.fromkeys(_ENTRY, "")
        other = _entry(claim, second, tolerances, reasons, "2") if asked else nothing
        rows.append(row | {f"{name}_2": value for name, value in other.items()})
    return pd.DataFrame(rows)


_ENTRY = ("ours", "error", "n_seeds", "verdict", "comparison", "departure", "reason")


def _entry(claim: pd.Series, products: Products, tolerances, reasons, reading: str) -> dict:
    nothing = dict.fromkeys(_ENTRY, "")
    nothing |= {"verdict": "not computed", "comparison": "not computed"}
    if not claim["formula"]:
        return nothing  # its note says why
    try:
        found = evaluate(claim, products)
    except NotMade as missing:
        return nothing | {"reason": str(missing)}
    compared, departure = verdict(claim, found, tolerances)
    if compared == "not computed":
        return nothing | {"reason": EMPTY}
    ours, error = (
        "|".join(f"{number:.7g}" for number in numbers) for numbers in (found.values, found.errors)
    )
    return {
        "ours": ours,
        "error": error,
        "n_seeds": found.n_seeds,
        "verdict": CONTRADICTED if claim["contradicts"] else compared,
        "comparison": compared,
        "departure": "" if np.isnan(departure) else f"{departure:.3g}",
        "reason": _reason(reasons, claim["id"], reading) if compared in _EXPLAINED else "",
    }
