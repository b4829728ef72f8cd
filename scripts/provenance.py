"""Say whether a product is what today's files, config and code would give, and what made it."""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lenscnn.core.storage import DataFileError
from lenscnn.records import checkout, lineage, verdict

ROOT = Path(__file__).parent.parent


def config_of(path: Path) -> str:
    """Return the overlay of the scale that a product's path names."""
    if path.parts[0] not in ("results", "paper_figures") or path.parts[1] == "paper":
        return "config/config.yaml"
    config = f"config/{path.parts[1]}.yaml"
    if not Path(config).exists():
        sys.exit(f"error: there is no {config}; say which config made {path}: --configfile FILE")
    return config


def plan_of(target: Path, configs: list[str], predictions: str) -> str:
    """Return the plan of every job behind a product; nothing if it cannot be planned so."""
    command = ["snakemake", "-n", "--forceall", "--printshellcmds", "--configfile", *configs]
    command += ["--config", f"predictions={predictions}", "--", target.as_posix()]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if plan.returncode == 0:
        return plan.stdout + plan.stderr
    if predictions == "released":
        return ""  # nothing is made of predictions alone, or they were made with other settings
    sys.exit(
        f"error: the workflow cannot say what {target} is made of:\n{plan.stdout}{plan.stderr}"
    )


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("product", type=Path, help="figure, table, metrics, predictions, weights, ...")
parser.add_argument("--configfile", nargs="+", help="default: that of the scale in the path")
parser.add_argument(
    "-v", "--verbose", action="store_true", help="show every file behind it, with its record"
)
arguments = parser.parse_args()

path = arguments.product.absolute()
if not path.is_relative_to(ROOT.absolute()) or not path.is_file():
    sys.exit(f"error: there is no file {arguments.product} in this project")
target = path.relative_to(ROOT.absolute())
configs = arguments.configfile or [config_of(target)]
os.chdir(ROOT)
# Up to the lenses, also where only predictions and what follows from them are here; and what
# follows from them of those that are here.
with ThreadPoolExecutor() as pool:
    texts = pool.map(lambda how: plan_of(target, configs, how), ("computed", "released"))
plan = {}
for text in texts:
    part = lineage.read_plan(text)
    lineage.add_code(part, text)
    plan |= part
try:
    chain = lineage.trace(target.as_posix(), plan)
    verdict.judge(chain, sorted({"config/config.yaml", *configs}), checkout.Checkout(ROOT))
except DataFileError as error:
    sys.exit(f"error: {error}")
if arguments.verbose:
    print(*lineage.tree(target.as_posix(), chain), "", sep="\n")
print(*verdict.summary(target.as_posix(), chain), sep="\n")
