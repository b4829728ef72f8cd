"""pearson2019, Figure 5: the network."""

from lenscnn.figures.architecture import blocks_figure
from lenscnn.figures.style import save
from lenscnn.networks import build

job = snakemake  # noqa: F821 (given by Snakemake)

networks = [build(job.params.network, shape) for shape in job.params.image_shapes]
save(blocks_figure(networks, job.params.note), job.output.pdf, job.output.png)
