"""pearson2019, Figure 8: errors against properties of the lens."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.errors import parameter_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

binned = map(pd.read_csv, job.input.metrics)  # one file a view, in the order of the views
metrics = dict(zip(job.params.views, binned, strict=True))
figure = parameter_figure(metrics, job.params.cameras, job.params.note)
save(figure, job.output.pdf, job.output.png)
