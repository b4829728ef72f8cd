"""Statistics of all predictions of a view, as CSV."""

import json

from lenscnn.metrics import evaluate
from lenscnn.migrations import check_predictions
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

for path, expected in zip(job.input.predictions, job.params.made_with, strict=True):
    check_predictions(path, json.loads(expected))
table = evaluate(job.input.predictions, job.wildcards.view, job.params.bootstrap)
with replacing(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.7g")
