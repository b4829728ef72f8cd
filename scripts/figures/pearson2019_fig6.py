"""pearson2019, Figure 6: distributions of the errors."""

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.predictions import distributions_figure
from lenscnn.papers.pearson2019.metrics import errors, read_predictions
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

error = {}
for view, path in zip(job.params.views, job.input.predictions, strict=True):
    true, predicted, _ = read_predictions(path)
    error[view] = errors(true, predicted)
save(
    distributions_figure(error, job.params.cameras, job.params.note), job.output.pdf, job.output.png
)
