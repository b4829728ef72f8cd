"""Networks beside trivial baselines in every view, as CSV and LaTeX."""

from pathlib import Path

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_h5
from lenscnn.papers.paper import mark_changes
from lenscnn.papers.scutt.tables import skill_latex, skill_table

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

tables = []
# One metrics file and one training population a view, in the order of the views.
for view, metrics, training in zip(
    job.params.views, job.input.metrics, job.input.training, strict=True
):
    predictions = [path for path in job.input.n_predictions if Path(path).parent.name == view]
    tables.append(
        skill_table(
            pd.read_csv(metrics),
            view,
            read_h5(training)[0],
            [read_h5(path)[0] for path in predictions],
            job.params.alpha_constant,
            job.params.bootstrap,
        )
    )
table = pd.concat(tables, ignore_index=True)
table = mark_changes(table, job.params.changed, table["view"])
with atomic_write(job.output.csv) as path:
    table.to_csv(path, index=False, float_format="%.7g")
with atomic_write(job.output.tex) as path:
    path.write_text(skill_latex(table, job.params.run), encoding="utf-8")
