"""pearson2019, limits beside Figure 8: errors against properties of the lens."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.limits.figures import parameter_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

errors, limits = (
    dict(zip(job.params.views, map(pd.read_csv, paths), strict=True))
    for paths in (job.input.errors, job.input.binned)
)
figure = parameter_figure(errors, limits, job.params.cameras, job.params.note)
save(figure, job.output.pdf, job.output.png)
