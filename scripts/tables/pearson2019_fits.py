"""Fits of pearson2019's images beside its networks, as CSV and LaTeX."""

from pathlib import Path

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.paper import mark_changes
from lenscnn.papers.pearson2019.limits.tables import fits_latex, fits_table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

table = fits_table({Path(path).stem: pd.read_csv(path) for path in job.input.fits})
table = mark_changes(table, job.params.changed, table["view"])
with atomic_write(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.4g")
with atomic_write(job.output.tex) as path:
    path.write_text(fits_latex(table, job.params.run), encoding="utf-8")
