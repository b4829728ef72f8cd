"""pearson2019, Figure 6: distributions of the errors."""

from lenscnn.figures.lens_predictions import distributions_figure
from lenscnn.figures.style import save
from lenscnn.lens_metrics import errors, read_predictions

job = snakemake  # noqa: F821 (given by Snakemake)

error = {}
for view, path in zip(job.params.views, job.input.predictions, strict=True):
    true, predicted, _ = read_predictions(path)
    error[view] = errors(true, predicted)
save(distributions_figure(error, job.params.note), job.output.pdf, job.output.png)
