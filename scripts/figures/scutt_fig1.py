"""Scutt, Figure 1: parameters of the lenses of a training set."""

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_h5
from lenscnn.papers.scutt.figures.geometry import geometry_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

population, _ = read_h5(job.input.population)
figure = geometry_figure(population, job.params.parents, job.params.note)
save(figure, job.output.pdf, job.output.png)
