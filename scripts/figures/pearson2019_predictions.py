"""pearson2019, Figures 7 and 9: predicted against true parameters."""

from lenscnn.figures.lens_predictions import comparison_figure
from lenscnn.figures.style import save
from lenscnn.lens_metrics import read_predictions

job = snakemake  # noqa: F821 (given by Snakemake)

# One file a row of panels, top to bottom.
predictions = {
    view: read_predictions(path)[:2]
    for view, path in zip(job.params.views, job.input.predictions, strict=True)
}
save(comparison_figure(predictions, job.params.note), job.output.pdf, job.output.png)
