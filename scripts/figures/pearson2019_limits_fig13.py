"""pearson2019, limits beside Figure 13: errors against signal-to-noise."""

import pandas as pd

from lenscnn.papers.pearson2019.limits.figures import snr_figure
from lenscnn.plotting.style import save

job = snakemake  # noqa: F821 (given by Snakemake)

errors, limits = (
    dict(zip(job.params.cameras, map(pd.read_csv, paths), strict=True))
    for paths in (job.input.errors, job.input.binned)
)
save(snr_figure(errors, limits, job.params.note), job.output.pdf, job.output.png)
