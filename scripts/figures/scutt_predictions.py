"""Scutt, Figures 5-8: predicted against true values, and the errors."""

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_h5
from lenscnn.papers.scutt.figures.predictions import Row, predictions_figure
from lenscnn.plotting.style import save
from lenscnn.stats.over_seeds import estimate_and_seed

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

metrics = pd.read_csv(job.input.metrics)
rows = []
for path in job.input.predictions:  # one a row of panels, top to bottom
    estimate, seed = estimate_and_seed(path)
    arrays, attrs = read_h5(path)
    chosen = metrics[(metrics["estimate"] == estimate) & (metrics["seed"] == seed)]
    rows.append(Row(attrs["target"], arrays["true"], arrays["predicted"], arrays["subset"], chosen))
save(predictions_figure(rows, job.params.note), job.output.pdf, job.output.png)
