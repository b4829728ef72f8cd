"""Scutt, Figure 4: the two networks."""

from lenscnn.figures.architecture import architecture_figure
from lenscnn.figures.style import save
from lenscnn.networks import build

job = snakemake  # noqa: F821 (given by Snakemake)

n_cnn = build(job.params.n_cnn, job.params.image_shape)
alpha_cnn = build(job.params.alpha_cnn, job.params.image_shape)
save(architecture_figure(n_cnn, alpha_cnn, job.params.note), job.output.pdf, job.output.png)
