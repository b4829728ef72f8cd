"""Where compiled loops are kept: they are those of the source, and a damaged one is made again."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAM = """
import numpy as np
from lenscnn import compiled_seeds
print(compiled_seeds.splitmix64(np.uint64(7), np.uint64(3)))
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the library, as somebody would edit it."""
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    return tmp_path


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def run(tree, *before, **environment):
    """What the program prints, and what it says on the side."""
    environment = (
        {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        | environment
    )
    command = [*before, sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return int(done.stdout), done.stderr


def edit(tree):
    path = tree / "src/lenscnn/seeds.py"
    text = path.read_text()
    assert text.count("0xBF58476D1CE4E5B9") == 1
    path.write_text(text.replace("0xBF58476D1CE4E5B9", "0xBF58476D1CE4E5BB"))


@pytest.mark.parametrize("chosen", [False, True])
def test_an_edit_reaches_the_compiled_loops(tree, chosen):
    """Of a constant in another file than the loop, whatever folder the user has chosen."""
    environment = {"NUMBA_CACHE_DIR": str(tree / "mine")} if chosen else {}
    before = run(tree, **environment)[0]
    assert run(tree, **environment)[0] == before
    assert list((tree / "mine").rglob("*.nbi")) if chosen else not (tree / "mine").exists()
    edit(tree)
    assert run(tree, **environment)[0] != before


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, "half"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_loop_is_compiled_again(tree, kind, damage):
    expected, said = run(tree)
    assert said == ""
    path = next(tree.rglob(f"compiled_seeds.splitmix64*.{kind}"))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    found, said = run(tree)
    assert found == expected
    assert str(path) in said and "damaged" in said
    assert run(tree) == (expected, "")


def test_a_tree_and_a_home_that_cannot_be_written(tree):
    read_only = ("unshare", "--mount", "sh", "-c", READ_ONLY, str(tree / "src"))
    if shutil.which("unshare") is None or subprocess.run([*read_only, "true"]).returncode != 0:
        pytest.skip("needs a read-only mount")
    expected, _ = run(tree)
    for folder in tree.rglob("__pycache__"):
        shutil.rmtree(folder)
    (tree / "tmp").mkdir()
    found, said = run(tree, *read_only, HOME="/proc/nowhere", TMPDIR=str(tree / "tmp"))
    assert (found, said) == (expected, "")
    assert list((tree / "tmp").glob(f"lenscnn-{os.getuid()}/*/**/*.nbi"))
    assert not list((tree / "src").rglob("__pycache__"))
