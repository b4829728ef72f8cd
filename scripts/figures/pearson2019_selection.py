"""pearson2019, Figures 1-3: distributions of the detected samples."""

import itertools
from pathlib import Path

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_columns
from lenscnn.papers.pearson2019.figures.selection import selection_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

panels = job.params.panels
quantities = list(itertools.chain(*panels))


def by_sample(paths) -> dict:
    files = {}
    for path in paths:
        files.setdefault(Path(path).parts[-3], []).append(path)  # .../<sample>/test/shard_0.h5
    return {
        sample.removesuffix("_literal"): read_columns(paths, quantities)
        for sample, paths in files.items()
    }


figure = selection_figure(
    by_sample(job.input.samples),
    by_sample(job.input.literal),
    pd.read_csv(job.input.summary),
    panels,
    job.params.labels,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
