"""The claims ledger as a page that a browser sorts and filters."""

import pandas as pd

from lenscnn.claims.table import document
from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

ledger = pd.read_csv(job.input.csv, dtype=str, keep_default_na=False)
with atomic_write(job.output[0]) as path:
    path.write_text(document(ledger), encoding="utf-8")
