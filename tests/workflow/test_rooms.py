"""The rooms of the library: which may import which, and who may know a paper's name."""

import ast
import re
from graphlib import TopologicalSorter

import pytest
from conftest import ROOT

SOURCE = ROOT / "src/lenscnn"
FLOORS = (
    {"core"},
    {"rng", "records"},
    {"lensing", "instrument", "galaxies", "stats", "config"},
    {"nn"},
    {"plotting", "claims"},
    {"papers"},
)
"""From the ground up. A room imports rooms below it, not beside it and not above."""

PAPERS = ("scutt", "pearson2019")


def imports(path):
    """Modules of the library that a module imports, below ``lenscnn``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lenscnn"):
            base = node.module.split(".")[1:]
            found |= {".".join([*base, alias.name]) for alias in node.names}
    modules = set()
    for name in found:  # a name from a module, or a module from a package
        parts = name.split(".")
        while parts and not SOURCE.joinpath(*parts).with_suffix(".py").exists():
            parts.pop()
        if parts:
            modules.add(".".join(parts))
    return modules


MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): imports(path)
    for path in SOURCE.rglob("*.py")
    if path.name != "__init__.py"
}


def test_every_room_has_a_floor_and_says_what_it_is_for():
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert rooms == set.union(*FLOORS)
    for path in SOURCE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_rooms_import_only_what_is_below_them():
    floor = {room: k for k, rooms in enumerate(FLOORS) for room in rooms}
    for module, imported in MODULES.items():
        room = module.split(".")[0]
        for other in imported:
            their = other.split(".")[0]
            assert their == room or floor[their] < floor[room], f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter(MODULES).prepare()  # raises CycleError


@pytest.mark.parametrize("paper", PAPERS)
def test_papers_import_nothing_of_each_other(paper):
    others = tuple(f"papers.{name}." for name in PAPERS if name != paper)
    for module, imported in MODULES.items():
        if module.startswith(f"papers.{paper}."):
            assert not [name for name in imported if name.startswith(others)], module


def test_below_the_papers_nothing_knows_a_papers_name():
    for path in SOURCE.rglob("*.py"):
        if "papers" not in path.relative_to(SOURCE).parts:
            named = re.findall(r"(?i)\b\w*(?:scutt|pearson)\w*", path.read_text())
            assert not named, (path, named)
