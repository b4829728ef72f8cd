"""pearson2019, Figures 1-3: distributions of the detected samples."""

import itertools

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_columns
from lenscnn.papers.pearson2019.figures.selection import selection_figure
from lenscnn.papers.pearson2019.selection import by_sample
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

panels = job.params.panels
quantities = list(itertools.chain(*panels))


def columns_of(paths) -> dict:
    return {
        sample.removesuffix("_literal"): read_columns(files, quantities)
        for sample, files in by_sample(paths).items()
    }


figure = selection_figure(
    columns_of(job.input.samples),
    columns_of(job.input.literal),
    pd.read_csv(job.input.summary),
    panels,
    job.params.labels,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
