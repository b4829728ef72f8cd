"""Columns of the catalogues, with meaning and unit, as the files themselves say."""

from pathlib import Path

from lenscnn.papers.pearson2019.population import COLUMNS as PEARSON2019
from lenscnn.papers.scutt.population import COLUMNS as SCUTT


def columns(root: Path, page: str) -> str:
    """Return a table of the columns of each paper's catalogues."""
    parts = [_table("scutt", SCUTT), _table("pearson2019", PEARSON2019)]
    return "\n".join(parts)


def _table(paper: str, meanings: dict[str, str]) -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in meanings.items()]
    return "\n".join([f"### {paper}\n", "| column | meaning, unit |", "|---|---|", *rows, ""])
