"""pearson2019, Figure 13: errors against signal-to-noise."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.errors import snr_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)


def by_camera(paths):
    return dict(zip(job.params.cameras, map(pd.read_csv, paths), strict=True))


figure = snr_figure(
    by_camera(job.input.binned),
    by_camera(job.input.bright),
    job.params.bright_from,
    job.params.note,
)
save(figure, job.output.pdf, job.output.png)
