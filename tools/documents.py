"""Write what documents show of the project: graph of rules, summary of claims, tables of limits.

    python tools/documents.py docs/workflow.md docs/results.md docs/limits.md

Each stands between two marks, in whichever document has them. In the graph figures and tables made
by the same rules share a box, and so do the variants of scutt. The summary is that of the claims
page. All are of paper scale.
"""

import argparse
import csv
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

FIGURES = Path("paper_figures/paper")


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
    """Write the graph as Mermaid text, targets that have the same sources in one box."""
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


def rules() -> str:
    """Mermaid text of the graph of the rules behind ``all``."""
    command = ["snakemake", "--rulegraph", "mermaid-js", "--", "all"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"error: the workflow has no graph:\n{done.stderr}")
    return boxes(arrows(done.stdout))


def claims() -> str:
    """Return what the claims page says before it comes to single claims."""
    page = FIGURES / "claims.md"
    if not page.exists():
        sys.exit(f"error: there is no {page}: make the target claims")
    _, _, rest = page.read_text(encoding="utf-8").partition("\n## Summary\n")
    summary = rest.partition("\n## ")[0].strip()
    return f"Scale `paper`, from [claims.md](../{page}).\n\n{summary}\n"


SYMBOLS = {"theta_E": "theta_E, arcsec", "ellipticity": "1 - b/a", "phi": "phi, rad"}


def limits() -> str:
    """Return errors of the networks beside the least possible ones, as Markdown."""
    lines = [
        "| view | | network | printed | limit | limit/network | limit/printed "
        "| image alone | factor | floor |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in _rows(FIGURES / "pearson2019/limits.csv"):
        numbers = [_number(row[name], 3) for name in ("rms", "printed", "limit")]
        numbers += [_number(row["efficiency"], 2), _number(row["printed_efficiency"], 2)]
        numbers += [
            _number(row[name], n) for name, n in (("scaled_median", 3), ("factor", 2), ("floor", 3))
        ]
        target = SYMBOLS.get(row["target"], row["target"])
        lines.append(" | ".join([f"| {row['view']}", target, *numbers]) + " |")
    return "\n".join(lines) + "\n"


def worth() -> str:
    """Return ratios of errors with more of an observation to those without, as Markdown."""
    lines = ["| change | | limit | network |", "|---|---|---|---|"]
    for row in _rows(FIGURES / "pearson2019/worth.csv"):
        if row["target"] in ("theta_E", "e1"):
            ratios = [_number(row[name], 2) for name in ("limit", "network")]
            lines.append(" | ".join([f"| {row['change']}", row["target"], *ratios]) + " |")
    return "\n".join(lines) + "\n"


def slopes() -> str:
    """Return least errors of scutt's slope, as Markdown."""
    lines = ["| variant | sample | known | least RMS error of alpha |", "|---|---|---|---|"]
    for variant in ("scutt", "scutt_as_run"):
        for row in _rows(FIGURES / variant / "limits.csv"):
            error = f"{_number(row['rmse'], 4)} +- {_number(row['rmse_err'], 4)}"
            lines.append(f"| {variant} | {row['sample']} | {row['known']} | {error} |")
    return "\n".join(lines) + "\n"


def fits() -> str:
    """Return errors of fits beside networks and limits, as Markdown."""
    lines = [
        "| view | estimate | images | | RMS error | network | limit | z | failed | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in _rows(FIGURES / "pearson2019/fits.csv"):
        if row["target"] != "e2":
            numbers = [_number(row[name], 3) for name in ("rms", "network", "limit")]
            numbers += [_number(row["z_rms"], 2), _number(row["failed"], 2)]
            numbers += [_number(row["cpu_seconds"], 1)]
            names = [row[name] for name in ("estimate", "n", "target")]
            lines.append(" | ".join([f"| {row['view']}", *names, *numbers]) + " |")
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        sys.exit(f"error: there is no {path}: make the target limits")
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _number(text: str, decimals: int) -> str:
    return f"{float(text):.{decimals}f}" if text else "-"


CONTENTS = {
    "rules": rules,
    "claims": claims,
    "limits": limits,
    "worth": worth,
    "slopes": slopes,
    "fits": fits,
}


def fill(text: str, name: str) -> str:
    """Replace what is between the marks of a name in a text that has them."""
    begin, end = f"<!-- {name}: written by make docs -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    return before + begin + CONTENTS[name]() + end + after if found and closed else text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", type=Path, nargs="+")
    for document in parser.parse_args().documents:
        text = document.read_text(encoding="utf-8")
        marked = [name for name in CONTENTS if f"<!-- end of {name} -->" in text]
        if not marked:
            marks = " or ".join(f"'<!-- end of {name} -->'" for name in CONTENTS)
            sys.exit(f"error: {document} has no lines {marks}")
        for name in marked:
            text = fill(text, name)
        document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
