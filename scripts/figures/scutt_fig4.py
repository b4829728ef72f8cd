"""Scutt, Figure 4: the two networks."""

from lenscnn.core.logs import logged
from lenscnn.nn.network import build
from lenscnn.plotting.architecture import architecture_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

n_cnn = build(job.params.n_cnn, job.params.image_shape)
alpha_cnn = build(job.params.alpha_cnn, job.params.image_shape)
save(architecture_figure(n_cnn, alpha_cnn, job.params.note), job.output.pdf, job.output.png)
