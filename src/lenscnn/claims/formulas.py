"""Small expressions with units and resamples, as in ``drop(rms('r_removed', 'phi'), ...)``.

What a formula gives stands beside the same on bootstrap resamples of the test images. All
arithmetic is done on each resample, so that what two numbers have in common cancels in the error
of their difference.
"""

import ast
import functools
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv
}  # fmt: skip

_SYNTAX = (
    ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.List, ast.BinOp,
    ast.UnaryOp, ast.USub, *_OPERATORS,
)  # fmt: skip


class FormulaError(ValueError):
    """A formula cannot be read, or asks for what is not there."""


@dataclass(frozen=True)
class Quantity:
    """Numbers with units.

    Attributes
    ----------
    values : ndarray, shape (k, 1 + resamples)
        First on all test images, then on each resample.
    units
        One a row; "1" where there is none.
    note
        What a reader must know of how they were computed; of a formula that is one call only.
    """

    values: np.ndarray
    units: tuple[str, ...]
    note: str = ""

    def __neg__(self) -> "Quantity":
        return Quantity(-self.values, self.units)


@functools.cache
def parse(formula: str) -> ast.Expression:
    """Return the syntax tree of a formula.

    Parameters
    ----------
    formula
        Python, of which it may hold calls, numbers, texts, lists, names and + - * /.

    Raises
    ------
    FormulaError
        If it holds anything else.
    """
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise FormulaError(f"cannot read {formula!r}: {error.msg}") from None
    called = _called(tree)
    for node in ast.walk(tree):
        if not isinstance(node, _SYNTAX) or (node in called and not isinstance(node, ast.Name)):
            raise FormulaError(f"{type(node).__name__} is no part of a formula: {formula!r}")
    return tree


def check_names(tree: ast.Expression, functions, constants) -> None:
    """Raise FormulaError if a formula calls or names what is not known.

    Parameters
    ----------
    tree
        From `parse`.
    functions, constants
        Names that may be called beside `DERIVED`, and names that stand for lists.
    """
    called = _called(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            known = {*functions, *DERIVED} if node in called else constants
            if node.id not in known:
                raise FormulaError(
                    f"{node.id!r} in {ast.unparse(tree)!r} is none of {', '.join(sorted(known))}"
                )


def one_call(tree: ast.Expression) -> tuple[str, tuple] | None:
    """Return function and arguments of a formula that is one call with plain arguments, or None."""
    match tree.body:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            plain = [one.value for one in arguments if isinstance(one, ast.Constant)]
            return (name, tuple(plain)) if len(plain) == len(arguments) else None
    return None


def calls(tree: ast.Expression) -> set[str]:
    """Return the names of the functions in a formula."""
    return {function.id for function in _called(tree) if isinstance(function, ast.Name)}


def _called(tree: ast.Expression) -> list[ast.expr]:
    return [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]


def texts(tree: ast.Expression, constants: dict[str, list]) -> set[str]:
    """Return the texts in a formula, those of its named lists too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Name):
            found |= set(constants.get(node.id, ()))
    return found


def evaluate(tree: ast.Expression, functions: dict, constants: dict[str, list]) -> Quantity:
    """Evaluate a formula.

    Parameters
    ----------
    tree
        From `parse`.
    functions
        By name; they return `Quantity`.
    constants
        Lists by name.

    Raises
    ------
    FormulaError
        If units do not go together or a function cannot take its arguments.
    """
    known = {**DERIVED, **functions}

    def value(node) -> Any:
        match node:
            case ast.Constant(value=constant):
                return constant
            case ast.Name(id=name):
                return constants[name]
            case ast.List(elts=elements):
                return [value(element) for element in elements]
            case ast.UnaryOp(operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return _operate(type(op), value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
                named: dict[Any, Any] = {keyword.arg: value(keyword.value) for keyword in keywords}
                return known[name](*map(value, arguments), **named)

    try:
        return _as_quantity(value(tree.body))
    except FormulaError:
        raise
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise FormulaError(f"{ast.unparse(tree)}: {error}") from error


def _operate(symbol: type, left, right) -> Quantity:
    left, right = map(_as_quantity, (left, right))
    count = max(len(left.units), len(right.units))
    pairs = [side.units * count if len(side.units) == 1 else side.units for side in (left, right)]
    units = tuple(_unit(symbol, *pair) for pair in zip(*pairs, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Quantity(_OPERATORS[symbol](left.values, right.values), units)


def _as_quantity(value) -> Quantity:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, list):
        parts = [_as_quantity(part) for part in value]
        return Quantity(
            np.concatenate([part.values for part in parts]),
            tuple(unit for part in parts for unit in part.units),
        )
    if isinstance(value, int | float):
        return Quantity(np.array([[float(value)]]), ("1",))
    raise FormulaError(f"{value!r} is not a number")


def _unit(symbol: type, left: str, right: str) -> str:
    if symbol in (ast.Add, ast.Sub) and left == right:
        return left
    if symbol is ast.Mult and "1" in (left, right):
        return right if left == "1" else left
    if symbol is ast.Div and right in (left, "1"):
        return "1" if left == right else left
    raise FormulaError(f"units {left} and {right} cannot be put together ({symbol.__name__})")


def _change(before, after) -> Quantity:
    ratio = _operate(ast.Div, after, before)
    if set(ratio.units) != {"1"}:
        raise FormulaError(f"a change of {ratio.units} is no percentage")
    return Quantity(100 * (ratio.values - 1), ("%",) * len(ratio.units))


def _drop(before, after) -> Quantity:
    return -_change(before, after)


def _one_unit(values) -> tuple[np.ndarray, str]:
    quantity = _as_quantity(values)
    if len(set(quantity.units)) != 1:
        raise FormulaError(f"numbers in {', '.join(quantity.units)} have no mean and no range")
    return quantity.values, quantity.units[0]


def _mean(values) -> Quantity:
    values, unit = _one_unit(values)
    return Quantity(values.mean(axis=0, keepdims=True), (unit,))


def _mean_and_spread(values) -> Quantity:
    values, unit = _one_unit(values)
    return Quantity(np.stack([values.mean(axis=0), values.std(axis=0)]), (unit,) * 2)


def _extremes(values) -> Quantity:
    values, unit = _one_unit(values)
    return Quantity(np.stack([values.min(axis=0), values.max(axis=0)]), (unit,) * 2)


DERIVED = {
    "drop": _drop, "rise": _change, "mean": _mean, "mean_and_spread": _mean_and_spread,
    "extremes": _extremes,
}  # fmt: skip
"""Functions of numbers: changes in per cent, of a first number to a second, and summaries."""
