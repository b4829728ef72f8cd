"""pearson2019, Figure 4: the first test images of each camera."""

from lenscnn.core.logs import logged
from lenscnn.core.storage import load_images
from lenscnn.papers.pearson2019.figures.examples import examples_figure
from lenscnn.plotting.style import save

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

images, theta_E = {}, {}
for camera, path in zip(job.params.cameras, job.input.examples, strict=True):
    every, labels, _ = load_images([path])
    images[camera] = every[: job.params.rows].copy()  # a view would hold on to all of them
    theta_E[camera] = labels["theta_E"][: job.params.rows]
figure = examples_figure(images, theta_E, job.params.cameras, job.params.note)
save(figure, job.output.pdf, job.output.png)
