"""What can be called: make's targets, and scripts with what ``--help`` says of them."""

import os
import re
import subprocess
import sys
from pathlib import Path


def make_targets(root: Path, page: str) -> str:
    """Return the targets of the Makefile, which its first lines describe, as a table."""
    head = (root / "Makefile").read_text(encoding="utf-8").partition("\n\n")[0]
    rows = re.findall(r"^# (make.*?)  +(.*)$", head, re.M)
    return "\n".join(["| command | does |", "|---|---|", *(f"| `{a}` | {b} |" for a, b in rows)])


def scripts(root: Path, page: str) -> str:
    """Return the help of every script that has one."""
    paths = [
        path for folder in ("scripts", "tools") for path in sorted((root / folder).glob("*.py"))
    ]
    shown = [path for path in paths if "ArgumentParser" in path.read_text(encoding="utf-8")]
    return "\n".join(_help(root, path.relative_to(root)) for path in shown)


def _help(root: Path, script: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "90", "NO_COLOR": "1"}
    command = [sys.executable, script, "--help"]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return f"### {script}\n\n```text\n{done.stdout}```\n"
