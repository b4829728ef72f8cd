"""Time and memory of every stage that has run, as CSV."""

import pandas as pd

from lenscnn.runtimes import by_stage, join, read_jobs
from lenscnn.storage import replacing

job = snakemake  # noqa: F821 (given by Snakemake)

files = [path for path in job.params.records if path.endswith(".tsv")]
jobs = read_jobs(files, job.params.folder, job.params.logs)
for path in set(job.params.records) - set(files):
    jobs = join(pd.read_csv(path), jobs)
table = by_stage(jobs)
print(table.to_string(index=False, float_format="%.4g"))
with replacing(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.6g")
