"""pearson2019, Figure 13: errors against signal-to-noise."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.errors import snr_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)


params = job.params

figure = snr_figure(
    dict(zip(params.views, map(pd.read_csv, job.input.binned), strict=True)),
    # Of all views, or of none.
    dict(zip(params.views, map(pd.read_csv, job.input.bright), strict=False)),
    params.bright_from,
    params.cameras,
    params.note,
)
save(figure, job.output.pdf, job.output.png)
