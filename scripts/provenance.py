"""Say where a product comes from: every file behind it, with code, settings, libraries, device."""

import argparse
import subprocess
import sys
from pathlib import Path

from lenscnn.core.storage import DataFileError
from lenscnn.records import lineage

ROOT = Path(__file__).parent.parent


def config_of(path: Path) -> str:
    """Return the overlay of the scale that a product's path names."""
    if path.parts[0] not in ("results", "paper_figures") or path.parts[1] == "paper":
        return "config/config.yaml"
    config = f"config/{path.parts[1]}.yaml"
    if not Path(config).exists():
        sys.exit(f"error: there is no {config}; say which config made {path}: --configfile FILE")
    return config


def committed(path: str) -> str:
    """Return the commit that a file without a record was last changed in."""
    git = ["git", "log", "-1", "--format=%h", "--", path]
    try:
        commit = subprocess.run(
            git, capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()
        status = subprocess.run(["git", "status", "--porcelain", "--", path], capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    if not commit:
        return ", not committed"
    return f", committed in {commit}" + (" and changed since" if status.stdout else "")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("product", type=Path, help="figure, table, metrics, predictions, weights, ...")
parser.add_argument("--configfile", nargs="+", help="default: that of the scale in the path")
arguments = parser.parse_args()

path = arguments.product.absolute()
if not path.is_relative_to(ROOT.absolute()) or not path.is_file():
    sys.exit(f"error: there is no file {arguments.product} in this project")
target = path.relative_to(ROOT.absolute())
configs = arguments.configfile or [config_of(target)]
command = ["snakemake", "-n", "--forceall", "--printshellcmds", "--configfile", *configs]
# Up to the lenses, also where only predictions and what follows from them are here.
command += ["--config", "predictions=computed", "--", target.as_posix()]
plan = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
if plan.returncode != 0:
    sys.exit(
        f"error: the workflow cannot say what {target} is made of:\n{plan.stdout}{plan.stderr}"
    )
try:
    chain = lineage.trace(target.as_posix(), lineage.read_plan(plan.stdout + plan.stderr))
except DataFileError as error:
    sys.exit(f"error: {error}")
for product in chain.values():
    if not product.record and product.note == "no record":
        product.note += committed(product.path)
print(*lineage.tree(target.as_posix(), chain), "", *lineage.summary(chain), sep="\n")
