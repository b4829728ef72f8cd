"""Table 1 of pearson2019, as CSV and LaTeX."""

import pandas as pd

from lenscnn.claims import read_registry
from lenscnn.lens_tables import lens_latex, lens_table
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

metrics = map(pd.read_csv, job.input.metrics)  # one file a view, in the order of the views
metrics = dict(zip(job.params.views, metrics, strict=True))
table = lens_table(metrics, read_registry(job.input.registry))
with replacing(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.7g")
with replacing(job.output.tex) as path:
    path.write_text(lens_latex(table, **job.params.run))
