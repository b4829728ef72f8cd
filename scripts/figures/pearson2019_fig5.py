"""pearson2019, Figure 5: the network."""

from lenscnn.core.logs import logged
from lenscnn.nn.network import build
from lenscnn.plotting.architecture import blocks_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

networks = [build(job.params.network, shape) for shape in job.params.image_shapes]
save(blocks_figure(networks, job.params.note), job.output.pdf, job.output.png)
