"""Time and memory of every stage that has run, as CSV."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write
from lenscnn.records.runtimes import by_stage, join, read_jobs

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

files = [path for path in job.params.records if path.endswith(".tsv")]
jobs = read_jobs(files, job.params.folder, job.params.logs)
for path in set(job.params.records) - set(files):
    jobs = join(pd.read_csv(path), jobs)
table = by_stage(jobs)
print(table.to_string(index=False, float_format="%.4g"))
with atomic_write(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.6g")
