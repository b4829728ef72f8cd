"""Write what the columns of all tables mean, docs/tables.md, from docs/columns.yaml."""

from fnmatch import fnmatchcase
from pathlib import Path

import yaml

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Tables

What the columns of each table (CSV file) mean, made from `columns.yaml` by `make docs`. The first
folder below `results/` and `paper_figures/` is the scale: numbers of another scale than `paper` are
no results. The next one is the paper or variant. Unit 1 is for numbers without a unit. In LaTeX
tables and on the claims page an error stands in brackets, in units of the last digits: 0.8911(19)
is 0.8911 with an error of 0.0019.
"""


def read_tables() -> list[dict]:
    """Read the description of each table, with that of every column in full."""
    described = yaml.safe_load((DOCS / "columns.yaml").read_text(encoding="utf-8"))
    for table in described["tables"]:
        table["columns"] = {
            name: column or described["common"][name] for name, column in table["columns"].items()
        }
    return described["tables"]


def table_of(path: str, tables: list[dict]) -> dict:
    """Return the description of the table at a path, relative to the checkout.

    Raises
    ------
    LookupError
        If there is none, or more than one.
    """
    found = [
        table
        for table in tables
        if fnmatchcase(path, table["files"])
        and not any(fnmatchcase(path, other) for other in table.get("but", ()))
    ]
    if len(found) != 1:
        raise LookupError(f"{path} is described {len(found)} times in docs/columns.yaml, not once")
    return found[0]


def page(table: dict) -> str:
    """Write a table's columns as Markdown."""
    lines = [f"\n## {table['title']}\n", f"`{table['files']}`: one row is {table['row']}.\n"]
    lines += [f"{table['notes']}\n"] if "notes" in table else []
    lines += ["| column | unit | meaning | the error covers |", "|---|---|---|---|"]
    for name, column in table["columns"].items():
        where = f" (a column only {column['optional']})" if "optional" in column else ""
        meaning = f"{column['meaning']}{where}"
        cells = (f"`{name}`", column["unit"], meaning, column.get("covers", ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    (DOCS / "tables.md").write_text(HEAD + "".join(map(page, read_tables())), encoding="utf-8")


if __name__ == "__main__":
    main()
