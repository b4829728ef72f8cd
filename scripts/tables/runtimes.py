"""Time and memory of every stage that has run, as CSV."""

from lenscnn.runtimes import runtimes
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

table = runtimes(job.params.records, job.params.folder, job.params.logs)
print(table.to_string(index=False, float_format="%.4g"))
with replacing(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.6g")
