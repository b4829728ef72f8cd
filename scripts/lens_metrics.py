"""Errors of all predictions of a view, overall and in bins, as CSV."""

import json

from lenscnn.lens_metrics import evaluate, evaluate_binned
from lenscnn.migrations import check_predictions
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

paths, view = job.input.predictions, job.wildcards.view
for path, expected in zip(paths, job.params.made_with, strict=True):
    check_predictions(path, json.loads(expected))
tables = {
    job.output.overall: evaluate(paths, view, job.params.bootstrap),
    job.output.binned: evaluate_binned(paths, view, job.params.bins),
}
for output, table in tables.items():
    with replacing(output) as path:
        table.to_csv(path, index=False, float_format="%.7g")
