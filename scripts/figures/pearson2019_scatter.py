"""pearson2019, Figures 10-12: errors against the scatter of light about mass."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.errors import scatter_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

figure = scatter_figure(
    [pd.read_csv(path) for path in job.input.metrics],  # in the order of params.tested
    pd.read_csv(job.input.control),
    job.params.tested,
    job.params.trained,
    job.params.axis,
    job.params.slacs,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
