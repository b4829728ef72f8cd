"""pearson2019, limits beside Figures 10-12: errors against the scatter of light about mass."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.limits.figures import misalignment_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

limits, metrics = (
    dict(zip(job.params.views, map(pd.read_csv, paths), strict=True))
    for paths in (job.input.limits, job.input.metrics)
)
figure = misalignment_figure(limits, metrics, job.params.axes, job.params.note)
save(figure, job.output.pdf, job.output.png)
