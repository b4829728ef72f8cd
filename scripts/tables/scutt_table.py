"""One of Scutt's Tables 1-4, as CSV and LaTeX."""

import pandas as pd

from lenscnn.storage import replacing
from lenscnn.tables import performance_latex, performance_table

job = snakemake  # noqa: F821 (given by Snakemake)
view, estimates = job.params.view, job.params.estimates

table = performance_table(pd.read_csv(job.input.metrics), view, estimates)
with replacing(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.7g")
with replacing(job.output.tex) as path:
    latex = performance_latex(table, job.params.seen, estimates, **job.params.run)
    path.write_text(latex, encoding="utf-8")
