"""pearson2019, Figures 7 and 9: predicted against true parameters."""

from lenscnn.core.logs import logged
from lenscnn.papers.pearson2019.figures.predictions import comparison_figure
from lenscnn.papers.pearson2019.metrics import read_predictions
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

# One file a row of panels, top to bottom.
predictions = {
    view: read_predictions(path)[:2]
    for view, path in zip(job.params.views, job.input.predictions, strict=True)
}
figure = comparison_figure(predictions, job.params.cameras, job.params.note)
save(figure, job.output.pdf, job.output.png)
