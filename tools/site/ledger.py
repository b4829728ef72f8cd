"""The claims ledger of paper scale as a table to sort and filter."""

from pathlib import Path

import pandas as pd

from lenscnn.claims.table import table


def ledger(root: Path, page: str) -> str:
    """Return the ledger of paper scale as HTML."""
    path = root / "paper_figures/paper/claims.csv"
    return table(pd.read_csv(path, dtype=str, keep_default_na=False))
