"""Figures and tables of both papers with their captions, as a gallery and as a list of targets."""

import re
from collections import Counter
from os.path import relpath
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pandas as pd
from docutils.core import publish_parts

from lenscnn.papers.config import config_of_scale
from lenscnn.papers.paper import Paper, Target
from lenscnn.papers.registry import make_papers, targets_of

FIGURES = "paper_figures/paper"


def gallery(root: Path, page: str) -> str:
    """Return every figure and table that is here, with its caption."""
    config = config_of_scale(root / "config")
    parts = []
    for name, paper in make_papers(config).items():
        parts.append(f"## {name}\n")
        parts += [_shown(root, page, paper, target) for target in _sorted(paper)]
    return "\n".join(parts)


def targets(root: Path, page: str) -> str:
    """Return a table of each paper's targets: what it shows, what it is made of, a small view."""
    config = config_of_scale(root / "config")
    lines = []
    for name, paper in make_papers(config).items():
        lines += [f"## {name}\n", "| target | shows | made of | |", "|---|---|---|---|"]
        lines += [_row(root, page, paper, target) for target in _sorted(paper)]
        lines.append("")
    return "\n".join(lines)


def _sorted(paper: Paper) -> list[Target]:
    return sorted(targets_of(paper), key=lambda target: target.label)


def _title(target: Target) -> str:
    """Say which figure or table it is: figure 5, table 1, skill."""
    return re.sub(r"(\d+)", r" \1", target.name.replace("fig", "figure"))


def _product(root: Path, paper: Paper, target: Target) -> Path | None:
    """Return the file of a target, if it is here."""
    path = root / FIGURES / paper.name / f"{target.name}.{target.shown}"
    return path if path.exists() else None


def _link(path: Path, root: Path, page: str) -> str:
    return relpath(path, (root / page).parent)


def _shown(root: Path, page: str, paper: Paper, target: Target) -> str:
    title = _title(target)
    heading = f"### {title[0].upper()}{title[1:]}: {target.title} {{#{paper.name}-{target.name}}}\n"
    path = _product(root, paper, target)
    if path is None:
        return f"{heading}\nNot computed yet.\n"
    link = _link(path, root, page)
    if path.suffix == ".png":
        shown = f"[![{target.title}]({link}){{loading=lazy}}]({link})\n"
    else:
        values = f'<details class="data" markdown="1"><summary>Values</summary>\n\n{_table(path)}'
        shown = f"{values}\n\n</details>\n\n[As CSV]({link})\n"
    return "\n".join([heading, shown, _caption(root, target)])


def _table(path: Path) -> str:
    """Write a table as Markdown, without empty columns; if it is wide, rows become columns."""
    values = pd.read_csv(path, dtype=str, keep_default_na=False)
    values = values.loc[:, (values != "").any()]
    if len(values.columns) > 2 * len(values):
        values = values.T.reset_index()
        values.columns = values.iloc[0]
        values = values.iloc[1:]
    rows = [values.columns, ["---"] * len(values.columns), *values.to_numpy()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _caption(root: Path, target: Target) -> str:
    """Return a target's caption as HTML, without its last paragraph, which names the rule."""
    text = (root / f"workflow/report/{target.caption}.rst").read_text(encoding="utf-8")
    snakemake = SimpleNamespace(config=config_of_scale(root / "config"), rule=target.name)
    filled = jinja2.Template(text.rpartition("\n\nTarget ")[0]).render(snakemake=snakemake)
    html = publish_parts(filled, writer="html5", settings_overrides={"halt_level": 2})["body"]
    return f'<div class="caption">{html}</div>\n'


def _row(root: Path, page: str, paper: Paper, target: Target) -> str:
    path, view = _product(root, paper, target), ""
    if path and path.suffix == ".png":
        view = f'<img src="{_link(path, root, page)}" alt="" width="160" loading="lazy">'
    cells = (f"`{paper.name}_{target.name}`", target.title, _made_of(target), view)
    return "| " + " | ".join(cells) + " |"


def _made_of(target: Target) -> str:
    """Say how many files of which stages go into a target."""
    paths = [path for value in target.inputs.values() for path in _files(value)]
    stages = Counter(path.split("/")[2] for path in paths if path.startswith("<results>/"))
    return (
        ", ".join(f"{stage} ({n})" if n > 1 else stage for stage, n in stages.items()) or "config"
    )


def _files(value) -> list[str]:
    """Return the files of an input: one, a list, or a mapping, nested or not."""
    if isinstance(value, str):
        return [value]
    return [path for entry in getattr(value, "values", lambda: value)() for path in _files(entry)]
