"""Errors of pearson2019's networks beside the least possible ones, as CSV and LaTeX."""

import pandas as pd

from lenscnn.claims.registry import read_registry
from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.paper import mark_changes
from lenscnn.papers.pearson2019.limits.tables import limits_latex, limits_table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

limits, networks = (
    dict(zip(job.params.views, map(pd.read_csv, paths), strict=True))
    for paths in (job.input.limits, job.input.network)
)
table = limits_table(limits, networks, read_registry(job.input.registry), job.params.changed)
table = mark_changes(table, job.params.changed, table["view"])
with atomic_write(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.5g")
with atomic_write(job.output.tex) as path:
    path.write_text(limits_latex(table, job.params.run), encoding="utf-8")
