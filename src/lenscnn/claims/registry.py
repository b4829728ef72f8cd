"""The registry of claims: every number that the papers print, and the formula that gives ours.

A few rows, "(derived)", hold what follows from printed numbers and is not printed itself.

The registry, config/claims.csv, has one row a claim. Its ``value`` holds the printed number, or
several separated by "|", to as many digits as are printed (7e2 is 700 to one digit); of a claim
of kind ``bounds`` it holds a lower and an upper bound, either of which may be missing. Its
``formula`` (`formulas`, `quantities`) gives ours.
"""

import fnmatch
from decimal import Decimal, InvalidOperation

import numpy as np
import pandas as pd

from lenscnn.claims import formulas
from lenscnn.claims.formulas import FormulaError

COLUMNS = (
    "id", "paper", "where", "printed", "value", "unit", "kind", "formula", "contradicts", "note"
)  # fmt: skip
"""Columns of the registry."""

LOWER, UNITY, NEITHER = "lower", "unity", "neither"

KINDS = {
    "rms": LOWER, "rmse": LOWER, "bias": LOWER, "gradient": UNITY, "correlation": UNITY,
    "sigma": NEITHER,
    "fit": NEITHER, "population": NEITHER, "extreme": NEITHER, "factor": NEITHER,
    "drop": NEITHER, "rise": NEITHER, "rmse_at_alpha": NEITHER,
}  # fmt: skip
"""Kinds of claims that have a tolerance, and which way is better: lower, nearer 1, neither."""

_OTHER_KINDS = ("count", "bounds", "none")  # equal or not, kept or not, nothing to compare

REASONS = ("claims", "reading", "reason")
"""Columns of the reasons: pattern of ids, 1 or 2 for the reading, why ours is another number."""

UNEXPLAINED = "unexplained"


class ClaimError(ValueError):
    """A row of the registry is bad; the message begins with its id."""


def read_registry(path) -> pd.DataFrame:
    """Read the registry, checked as far as that goes without results; all columns are texts.

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
            kinds = ", ".join((*KINDS, *_OTHER_KINDS))
            raise ClaimError(f"{id}: kind {claim['kind']!r} is none of {kinds}")
        if (claim["formula"] == "") != (claim["kind"] == "none"):
            raise ClaimError(f"{id}: a claim has no formula if its kind is none, and only then")
        if not claim["formula"] and not claim["note"]:
            raise ClaimError(f"{id}: no formula, and no note that says why")
        try:
            may_lack = claim["kind"] in ("bounds", "none")
            texts = claim["value"].split("|")
            printed = [Decimal(text or 0 if may_lack else text) for text in texts]
            if claim["formula"]:
                formulas.parse(claim["formula"])
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
    """Read why ours is another number, where that is known; the first that fits a claim holds.

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


def reason_for(reasons: pd.DataFrame, id: str, reading: str) -> str:
    """Return why ours is another number than a claim has, `UNEXPLAINED` where it is not known."""
    for _, row in reasons[reasons["reading"] == reading].iterrows():
        if fnmatch.fnmatchcase(id, row["claims"]):
            return row["reason"]
    return UNEXPLAINED


def check_formulas(registry: pd.DataFrame, papers: dict) -> None:
    """Raise ClaimError if a claim's formula uses what the results of its paper do not offer.

    Parameters
    ----------
    registry
        From `read_registry`.
    papers
        By name, what has ``FUNCTIONS`` and ``CONSTANTS`` as a `quantities.RunResults`.
    """
    for _, claim in registry.iterrows():
        if claim["paper"] not in papers:
            raise ClaimError(f"{claim['id']}: paper {claim['paper']!r} is none of {list(papers)}")
        results = papers[claim["paper"]]
        if claim["formula"]:
            try:
                tree = formulas.parse(claim["formula"])
                formulas.check_names(tree, results.FUNCTIONS, results.CONSTANTS)
            except FormulaError as error:
                raise ClaimError(f"{claim['id']}: {error}") from None


def printed(registry: pd.DataFrame, function: str, *arguments) -> float:
    """Return the number that is printed for a quantity; nan where no claim has it.

    Parameters
    ----------
    registry
        From `read_registry`.
    function, arguments
        Of the formula, as in ``printed(registry, "rms", "vis_removed", "theta_E")``.

    Raises
    ------
    ClaimError
        If different numbers are printed for it.
    """
    asked = [
        bool(formula) and formulas.one_call(formulas.parse(formula)) == (function, arguments)
        for formula in registry["formula"]
    ]
    claims = registry[asked]
    if len(set(claims["value"])) > 1:
        raise ClaimError(f"{', '.join(claims['id'])}: different numbers for one {function}")
    return float(claims["value"].iloc[0]) if len(claims) else np.nan
