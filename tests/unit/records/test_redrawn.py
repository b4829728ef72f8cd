"""The note that products came out as they are committed, with a stand-in for Snakemake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLE, NOTE = "paper_figures/paper/table1.csv", Path("paper_figures/paper/redrawn.json")
SNAKEMAKE = f"""#!/bin/sh
case "$*" in
    "-n "*) printf 'rule table1:\\n    input: a.h5\\n    output: {TABLE}\\n' ;;
    *) cp drawn.csv {TABLE} ;;
esac
"""


def git(*arguments):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose workflow draws what is in drawn.csv."""
    monkeypatch.chdir(tmp_path)
    for path, text in ((TABLE, "1\n"), ("config/config.yaml", "scale: paper\n"),
                       ("bin/snakemake", SNAKEMAKE), ("drawn.csv", "1\n")):  # fmt: skip
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    Path("bin/snakemake").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "a table")


def redraw():
    command = [sys.executable, ROOT / "tools/redrawn.py", "paper"]
    return subprocess.run(command, capture_output=True, text=True)


def test_what_came_out_as_it_is_committed_is_noted(checkout):
    done = redraw()
    assert done.returncode == 0, done.stderr
    note = json.loads(NOTE.read_text())
    assert note["files"] == [TABLE]
    assert git("rev-parse", "HEAD").startswith(note["commit"])


def test_what_came_out_otherwise_is_named_and_not_noted(checkout):
    Path("drawn.csv").write_text("2\n")
    done = redraw()
    assert done.returncode == 1 and not NOTE.exists()
    assert "otherwise" in done.stderr and TABLE in done.stderr


def test_edits_are_refused_before_anything_is_drawn(checkout):
    Path("drawn.csv").write_text("2\n")
    Path("config/config.yaml").write_text("scale: paper\nbins: 5\n")
    done = redraw()
    assert done.returncode == 1 and "commit or undo these first" in done.stderr
    assert "config/config.yaml" in done.stderr and Path(TABLE).read_text() == "1\n"
