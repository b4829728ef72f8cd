"""One of Scutt's Tables 1-4, as CSV and LaTeX."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.paper import mark_changes
from lenscnn.papers.scutt.tables import performance_latex, performance_table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)
view, estimates = job.params.view, job.params.estimates

table = performance_table(pd.read_csv(job.input.metrics), view, estimates)
table = mark_changes(table, job.params.changed, [view] * len(table))
with atomic_write(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.7g")
with atomic_write(job.output.tex) as path:
    latex = performance_latex(table, job.params.seen, estimates, job.params.run)
    path.write_text(latex, encoding="utf-8")
