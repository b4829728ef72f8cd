"""Compiled loops: where they are kept, and that nothing stale or damaged is taken from there."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

WITHOUT_ROOTS_RIGHTS = (
    "setpriv", "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)  # fmt: skip

DRAW = """
import sys, tempfile
import numpy as np
tempfile.tempdir = sys.argv[1]
from lenscnn.rng.kernels import uniform
print(uniform(np.uint64(7), np.uint64(3)))
"""


def expected(mix2=0x94D049BB133111EB):
    """The number that DRAW prints, by the published hash in Python's integers."""
    z = (7 + 4 * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * mix2 % 2**64
    return str(np.float64((z ^ (z >> 31)) >> 12) * 2.0**-52 + 2.0**-53)


@pytest.fixture
def tree(tmp_path):
    """A checkout's source and folders for cache, home and temporary files."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("cache", "home", "temporary"):
        (tmp_path / name).mkdir()
    yield tmp_path
    for folder, *_ in os.walk(tmp_path):  # so that pytest can remove it
        os.chmod(folder, 0o700)


def draw(tree, **environment):
    """What is printed on stdout and stderr by a process without root's rights on files."""
    prefix = WITHOUT_ROOTS_RIGHTS if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", DRAW, tree / "temporary"], capture_output=True, text=True,
        env={
            "PYTHONPATH": str(tree / "src"), "PATH": os.environ["PATH"],
            "HOME": str(tree / "home"), "PYTHONDONTWRITEBYTECODE": "1", **environment,
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def read_only(*folders):
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root writes everywhere")
    for top in folders:
        for folder, *_ in os.walk(top):
            os.chmod(folder, 0o555)


def kept(folder):
    return [path for path in folder.rglob("*uniform*") if path.is_file()]


def edit(tree):
    """Change a constant of the hash, in another file than the loop that uses it."""
    hash_file = tree / "src/lenscnn/rng/splitmix.py"
    hash_file.write_text(hash_file.read_text().replace("0x94D049BB133111EB", "0x94D049BB133111ED"))


@pytest.mark.slow
def test_an_edit_reaches_the_cache_that_the_user_names(tree):
    cache = {"NUMBA_CACHE_DIR": str(tree / "cache")}
    assert draw(tree, **cache) == (expected(), "")
    edit(tree)
    assert draw(tree, **cache) == (expected(0x94D049BB133111ED), "")
    assert len(kept(tree / "cache")) == 2 and not kept(tree / "src")


@pytest.mark.slow
def test_an_edit_reaches_the_cache_at_home(tree):
    read_only(tree / "src")
    assert draw(tree) == (expected(), "")
    edit(tree)
    assert draw(tree) == (expected(0x94D049BB133111ED), "")
    assert len(kept(tree / "home")) == 2


def test_where_tree_and_home_are_read_only_loops_are_kept_elsewhere(tree):
    read_only(tree / "src", tree / "home")
    assert draw(tree) == (expected(), "")
    (file,) = kept(tree / "temporary")
    assert file.parent.parent.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_written_loops_are_compiled(tree):
    read_only(tree / "src", tree / "home", tree / "temporary")
    number, line = draw(tree)
    assert number == expected()
    assert line.count("\n") == 1 and "no folder to keep compiled loops in" in line


def test_a_folder_of_somebody_else_is_not_used(tree):
    """Its files would be run."""
    read_only(tree / "src", tree / "home")
    (tree / f"temporary/lenscnn-{os.getuid()}").mkdir()
    (tree / f"temporary/lenscnn-{os.getuid()}").chmod(0o777)
    assert draw(tree)[0] == expected()
    assert not kept(tree / "temporary")


@pytest.mark.slow
def test_a_damaged_cache_is_compiled_again(tree):
    """As a machine that dies leaves files: empty, cut short, or with zeros inside."""
    draw(tree)
    cached = sorted(tree.glob("src/lenscnn/__pycache__/numba-*/**/*"))
    files = [file for file in cached if file.is_file()]
    sizes = {file: file.stat().st_size for file in files}
    for file, size in sizes.items():
        os.truncate(file, size // 2)
    empty, holed = files[:2]
    os.truncate(empty, 0)
    os.truncate(holed, sizes[holed])
    number, said = draw(tree)
    assert number == expected()
    assert said.count("is damaged: compiled again") == said.count("\n") == len(files)
    assert draw(tree) == (expected(), "")
