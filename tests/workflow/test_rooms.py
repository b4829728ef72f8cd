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
    {"lensing", "instrument", "galaxies", "stats", "information", "config"},
    {"nn"},
    {"plotting", "claims"},
    {"papers"},
)
"""From the ground up. A room imports rooms below it, not beside it and not above."""

PAPERS = sorted(path.parent.name for path in (SOURCE / "papers").glob("*/__init__.py"))
SHARED = {"paper"}, {"registry", "results", "config"}
"""Modules of ``papers`` below and above the papers themselves."""


def module_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py"}


def names_imported(path):
    """Everything that a module imports, dotted, relative imports resolved."""
    package = ["lenscnn", *path.parent.relative_to(SOURCE).parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imports(path):
    """Modules and packages of the library that a module imports, below ``lenscnn``."""
    found = set()
    for name in names_imported(path):
        parts = name.split(".")
        if parts.pop(0) == "lenscnn":
            while parts and ".".join(parts) not in FILES:
                parts.pop()
            found.add(".".join(parts))
    return found - {""}


MODULES = {module: imports(path) for module, path in FILES.items()}


def test_the_library_is_found():
    assert len(MODULES) > 80 and PAPERS == ["pearson2019", "scutt"]
    assert "core.storage" in MODULES["nn.data"]


def test_the_library_knows_no_snakemake():
    for path in FILES.values():
        assert not [name for name in names_imported(path) if name.startswith("snakemake")], path


def test_every_room_has_a_floor_and_says_what_it_is_for():
    rooms = {path.name for path in SOURCE.iterdir() if list(path.glob("*.py"))}
    assert rooms == set.union(*FLOORS)
    for path in FILES.values():
        assert (path.parent / "__init__.py").exists(), path
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
    """Nor what stands above the papers, and so knows the others."""
    above = {f"papers.{name}" for name in SHARED[1]}
    others = tuple(f"papers.{name}" for name in PAPERS if name != paper)
    for module, imported in MODULES.items():
        if module.startswith(f"papers.{paper}"):
            assert not imported & above, module
            assert not [name for name in imported if name.startswith(others)], module


def test_what_papers_share_knows_none_of_them():
    for name in SHARED[0]:
        of_papers = tuple(f"papers.{paper}" for paper in PAPERS)
        assert not [other for other in MODULES[f"papers.{name}"] if other.startswith(of_papers)]


def test_below_the_papers_nothing_knows_a_papers_name():
    for path in SOURCE.rglob("*.py"):
        if "papers" not in path.relative_to(SOURCE).parts:
            named = re.findall(r"(?i)\b\w*(?:scutt|pearson)\w*", path.read_text())
            assert not named, (path, named)


def test_files_that_tests_name_are_there():
    """Also those of tests that run on few machines; a site file is the user's own."""
    form = re.compile(r'"((?:src|scripts|tools|workflow|tests|profiles|envs|docs|data)/[\w./-]+)"')
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for name in form.findall(path.read_text()):
            assert (ROOT / name).exists() or name == "profiles/slurm/site.yaml", (path, name)
