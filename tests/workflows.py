"""What tests of the workflow share: how Snakemake is called, copies of the checkout, overlays."""

import os
import re
import shutil
import subprocess
import sys

import yaml
from conftest import ROOT

BIN = os.path.dirname(sys.executable)
ENVIRONMENT = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}


def snakemake(*args, cwd=ROOT, check=True, environment=ENVIRONMENT):
    done = subprocess.run(
        ["snakemake", *args], cwd=cwd, env=environment, capture_output=True, text=True
    )
    text = done.stdout + done.stderr
    assert not check or done.returncode == 0, text[-3000:]
    return text


def jobs(text):
    """Jobs of a dry run by rule."""
    table = text.partition("Job stats:")[2].partition("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def overlay(tmp_path, name, changes):
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(changes))
    return path


def clone(tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(
        ROOT, copy, symlinks=True,
        ignore=shutil.ignore_patterns(
            ".git", ".venv*", ".snakemake", "__pycache__", "results", "paper_figures",
            "benchmarks", "logs", "wheels", ".*_cache",
        ),
    )  # fmt: skip
    return copy
