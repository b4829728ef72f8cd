"""Scutt, Figure 2: masses of subhaloes."""

from lenscnn.core.logs import logged
from lenscnn.core.storage import read_h5
from lenscnn.papers.scutt.figures.substructure import mass_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

sample, _ = read_h5(job.input.sample)
save(mass_figure(sample, job.params.note), job.output.pdf, job.output.png)
