"""Redraw what follows from a scale's predictions, and note that it came out as it is committed.

    python tools/redrawn.py paper

runs every step after the predictions anew, and then writes paper_figures/paper/redrawn.json: the
commit, and the files that its code made. `make provenance` judges them by the code of that commit,
which is younger than the one that they came with. Nothing is written if a file came out otherwise.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from lenscnn.core.storage import atomic_write
from lenscnn.records.checkout import REDRAWN
from lenscnn.records.lineage import read_plan
from lenscnn.records.provenance import MADE_WITH, git


def edited(*paths: str) -> list[str]:
    """Return the files below paths that are not as they are committed."""
    return git(".", "status", "--porcelain", "--", *paths).decode().splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scale")
    scale = parser.parse_args().scale
    products = (f"results/{scale}", f"paper_figures/{scale}")
    if edits := edited(*MADE_WITH, *products):
        sys.exit("\n".join(["error: commit or undo these first:", *edits]))
    config = f"config/{'config' if scale == 'paper' else scale}.yaml"
    figures = ["--configfile", config, "--config", "predictions=released", "--", "figures"]
    planned = ["snakemake", "-n", "--forceall", *figures]
    plan = subprocess.run(planned, check=True, capture_output=True, encoding="utf-8")
    run = ["snakemake", "--cores", "all", "--quiet", "rules", "--forceall", *figures]
    subprocess.run(run, check=True)
    if edits := edited(*products):
        sys.exit("\n".join(["error: these came out otherwise than they are committed:", *edits]))
    note = {
        "commit": git(".", "rev-parse", "--short=12", "HEAD").decode().strip(),
        "files": sorted(read_plan(plan.stdout + plan.stderr)),
    }
    with atomic_write(REDRAWN.format(scale=scale)) as path:
        Path(path).write_text(json.dumps(note, indent=1) + "\n")
    print(f"{len(note['files'])} files of scale {scale} are as commit {note['commit']} makes them")


if __name__ == "__main__":
    main()
