"""Scutt, Figure 3: one simulated lens."""

from lenscnn.figures.example import example_figure
from lenscnn.figures.style import save
from lenscnn.storage import read_h5

job = snakemake  # noqa: F821 (given by Snakemake)

example, attrs = read_h5(job.input.example)
figure = example_figure(example, attrs["pixel_scale"], job.params.note)
save(figure, job.output.pdf, job.output.png)
