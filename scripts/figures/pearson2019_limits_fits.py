"""pearson2019, fits by where they start: errors beside networks and limits, failures, CPU time."""

from pathlib import Path

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.limits.figures import fits_figure
from lenscnn.papers.pearson2019.limits.tables import fits_table
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

table = fits_table({Path(path).stem: pd.read_csv(path) for path in job.input.fits})
save(fits_figure(table, job.params.cameras, job.params.note), job.output.pdf, job.output.png)
