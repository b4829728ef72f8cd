"""Statistics of all predictions of a view, as CSV."""

import json

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.scutt.metrics import evaluate
from lenscnn.records.migrations import check_predictions

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

for path, expected in zip(job.input.predictions, job.params.made_with, strict=True):
    check_predictions(path, json.loads(expected))
table = evaluate(job.input.predictions, job.wildcards.view, job.params.bootstrap)
with atomic_write(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.7g")
