"""How well the slope of the mass function can be known without an image, as CSV and LaTeX."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_h5
from lenscnn.papers.paper import mark_changes
from lenscnn.papers.scutt.limits import limits_latex, limits_table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

tables = []
for sample, training, test in zip(
    job.params.specs, job.input.training, job.input.test, strict=True
):
    spec = job.params.specs[sample]
    found = limits_table(spec, read_h5(training)[0], read_h5(test)[0], job.params.bootstrap)
    found.insert(0, "sample", sample)
    tables.append(found)
table = pd.concat(tables, ignore_index=True)
table = mark_changes(table, job.params.changed, table["sample"])
with atomic_write(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.5g")
with atomic_write(job.output.tex) as path:
    path.write_text(limits_latex(table, job.params.run), encoding="utf-8")
