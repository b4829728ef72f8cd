"""pearson2019, Figure 14: errors against the visits in a stack."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.errors import visits_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

figure = visits_figure(
    [pd.read_csv(path) for path in job.input.metrics],  # in the order of params.visits
    job.params.visits,
    job.params.trained,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
