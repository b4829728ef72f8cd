"""pearson2019, limits beside Figure 14: errors against visits."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.limits.figures import visits_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

limits, networks = (
    dict(zip(job.params.visits, map(pd.read_csv, paths), strict=True))
    for paths in (job.input.limits, job.input.network)
)
figure = visits_figure(limits, networks, job.params.visits, job.params.note)
save(figure, job.output.pdf, job.output.png)
