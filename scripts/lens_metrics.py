"""Errors of all predictions of a view, overall and in bins, as CSV."""

import json

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.papers.pearson2019.metrics import evaluate, evaluate_binned
from lenscnn.records.migrations import check_predictions

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

paths, view = job.input.predictions, job.wildcards.view
for path, expected in zip(paths, job.params.made_with, strict=True):
    check_predictions(path, json.loads(expected))
tables = {
    job.output.overall: evaluate(paths, view, job.params.bootstrap),
    job.output.binned: evaluate_binned(paths, view, job.params.bins),
}
for output, table in tables.items():
    with atomic_write(output) as path:
        table.to_csv(path, index=False, float_format="%.7g")
