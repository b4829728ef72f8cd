"""Write the graph of the workflow's rules into a document, between two marks.

Figures and tables made by the same rules share a box, and so do the readings of scutt.
"""

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

BEGIN, END = "<!-- rules: written by make docs -->\n", "<!-- end of rules -->"


def arrows(mermaid: str) -> dict[str, set[str]]:
    """Rules by name, each with those that feed it, from ``snakemake --rulegraph mermaid-js``."""
    nodes = re.findall(r"^\s*(id\d+)\[(\w+)\]", mermaid, re.M)
    names = {node: name.replace("scutt_as_run", "scutt") for node, name in nodes}
    sources = {name: set() for name in names.values()}
    for source, rule in re.findall(r"^\s*(id\d+) --> (id\d+)", mermaid, re.M):
        sources[names[rule]].add(names[source])
    return sources


def _in_order(name: str) -> tuple[str, list[int]]:
    """fig2 before fig10, figures before tables."""
    return re.sub(r"\d+", "", name), [int(number) for number in re.findall(r"\d+", name)]


def boxes(sources: dict[str, set[str]]) -> str:
    """The graph as Mermaid text, targets that have the same sources in one box."""
    targets = sources.pop("all")
    steps = sources.keys() - targets
    alike = defaultdict(list)
    for target in sorted(targets, key=_in_order):
        alike[target.partition("_")[0], tuple(sorted(sources[target]))].append(target)
    lines = [f"{source} --> {step}" for step in steps for source in sources[step]]
    for (paper, feeding), names in alike.items():
        label = ", ".join(name.removeprefix(f"{paper}_") for name in names)
        box = f'{names[0]}["{paper}: {label}"]' if label != paper else paper
        lines += [f"{source} --> {box}" for source in feeding] or [box]
    return "```mermaid\nflowchart LR\n    " + "\n    ".join(sorted(lines)) + "\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path)
    document = parser.parse_args().document
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"error: {document} has no lines {BEGIN.strip()!r} and {END!r}")
    command = ["snakemake", "--rulegraph", "mermaid-js", "--", "all"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: the workflow has no graph:\n{done.stderr}")
    document.write_text(before + begin + boxes(arrows(done.stdout)) + end + after)


if __name__ == "__main__":
    main()
