"""pearson2019, Figures 1-3: distributions of the detected samples."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_columns
from lenscnn.papers.pearson2019.figures.selection import selection_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

quantities = job.params.quantities
figure = selection_figure(
    {survey: read_columns(job.input[survey], quantities) for survey in ("euclid", "lsst")},
    {
        survey: read_columns(job.input[f"{survey}_literal"], quantities)
        for survey in ("euclid", "lsst")
    },
    pd.read_csv(job.input.summary),
    quantities,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
