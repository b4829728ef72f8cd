"""Statistics of all predictions of a view, as CSV."""

from lenscnn.metrics import evaluate
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

table = evaluate(job.input.predictions, job.wildcards.view, job.params.bootstrap)
with replacing(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.7g")
