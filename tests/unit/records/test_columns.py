"""What docs say of the columns of tables, beside the tables that are here."""

import csv
import importlib.util
from fnmatch import fnmatchcase

import pytest
from conftest import ROOT

PLACES = (
    "results/*/*/*/*.csv", "paper_figures/*/*.csv", "paper_figures/*/*/*.csv",
    "benchmarks/*.csv",
)  # fmt: skip
"""Where the workflow writes tables, whatever scale has been made here."""

_SPEC = importlib.util.spec_from_file_location("reference", ROOT / "tools/table_reference.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

KEYS = {"unit", "meaning"}
TABLES = reference.read_tables()
FILES = [path.relative_to(ROOT).as_posix() for place in PLACES for path in ROOT.glob(place)]


def undescribed(header, table):
    """Columns of a table that are not described once, and descriptions that are of none."""
    lost = {
        name
        for name, column in table["columns"].items()
        if "optional" not in column and not any(fnmatchcase(c, name) for c in header)
    }
    found = {
        column: [name for name in table["columns"] if fnmatchcase(column, name)]
        for column in header
    }
    return lost | {column for column, names in found.items() if len(names) != 1}


@pytest.mark.parametrize("path", sorted(FILES))
def test_every_column_of_every_table_is_described(path):
    with (ROOT / path).open(newline="") as file:
        header = next(csv.reader(file))
    assert undescribed(header, reference.table_of(path, TABLES)) == set()


@pytest.mark.parametrize("path", sorted(FILES))
def test_tables_of_papers_may_say_what_is_changed(path):
    described = reference.table_of(path, TABLES)["columns"]
    is_product = fnmatchcase(path, "paper_figures/*/*/*.csv")
    assert ("changed" in described) is is_product


def test_every_described_table_is_here():
    """Else nothing holds its description."""
    assert {reference.table_of(path, TABLES)["title"] for path in FILES} == {
        table["title"] for table in TABLES
    }


def test_a_lost_and_an_unknown_column_are_found():
    table = {"columns": {"view": {}, "*_rms": {}, "changed": {"optional": "sometimes"}}}
    assert undescribed(["view", "a_rms", "changed"], table) == set()
    assert undescribed(["view", "a_rms", "b_rms"], table) == set()
    assert undescribed(["view", "bias"], table) == {"*_rms", "bias"}
    with pytest.raises(LookupError, match="other.csv is described 0 times"):
        reference.table_of("results/quick/other.csv", TABLES)
    with pytest.raises(LookupError, match="claims.csv is described 2 times"):
        reference.table_of("paper_figures/quick/claims.csv", [*TABLES, *TABLES])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["title"])
def test_errors_say_what_they_cover(table):
    """By the name of a column; and no description has a key that YAML made of half a sentence."""
    for name, column in table["columns"].items():
        assert KEYS <= column.keys() <= {*KEYS, "covers", "optional"}, name
        error = name.removesuffix("_2").endswith(("_err", "_scatter", "error"))
        assert error == ("covers" in column), name


def test_the_page_is_that_of_the_descriptions():
    text = reference.HEAD + "".join(map(reference.page, TABLES))
    assert (ROOT / "docs/tables.md").read_text() == text, "make docs"
