"""Table 1 of pearson2019, as CSV and LaTeX."""

import pandas as pd

from lenscnn.lens_tables import lens_latex, lens_table
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

metrics = map(pd.read_csv, job.input.metrics)  # one file a view, in the order of the views
table = lens_table(dict(zip(job.params.views, metrics, strict=True)))
with replacing(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.7g")
with replacing(job.output.tex) as path:
    path.write_text(lens_latex(table, **job.params.run))
