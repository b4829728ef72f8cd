"""Table 1 of pearson2019, or a study's, as CSV and LaTeX."""

from pathlib import Path

import pandas as pd

from lenscnn.claims.registry import read_registry
from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.paper import mark_changes
from lenscnn.papers.pearson2019.tables import lens_latex, lens_table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

metrics = {Path(path).stem: pd.read_csv(path) for path in job.input.metrics}  # one file a view
table = lens_table(metrics, read_registry(job.input.registry), job.params.changed)
table = mark_changes(table, job.params.changed, table["view"])
with atomic_write(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.7g")
with atomic_write(job.output.tex) as path:
    path.write_text(lens_latex(table, job.params.cameras, job.params.run), encoding="utf-8")
