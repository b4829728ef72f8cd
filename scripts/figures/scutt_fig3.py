"""Scutt, Figure 3: one simulated lens."""

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_h5
from lenscnn.papers.scutt.figures.example import example_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

example, attrs = read_h5(job.input.example)
figure = example_figure(example, attrs["pixel_scale"], job.params.note)
save(figure, job.output.pdf, job.output.png)
