"""pearson2019, Figures 1-3: distributions of the detected samples."""

import pandas as pd

from lenscnn.figures.selection import selection_figure
from lenscnn.figures.style import save
from lenscnn.storage import read_columns

job = snakemake  # noqa: F821 (given by Snakemake)


def columns(paths):
    return read_columns(paths, job.params.quantities)


figure = selection_figure(
    {survey: columns(job.input[survey]) for survey in ("euclid", "lsst")},
    {survey: columns(job.input[f"{survey}_literal"]) for survey in ("euclid", "lsst")},
    pd.read_csv(job.input.summary),
    job.params.quantities,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
