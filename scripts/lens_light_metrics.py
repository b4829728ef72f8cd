"""Errors of taking the shape of the lens light for that of the mass, as CSV."""

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_columns
from lenscnn.papers.pearson2019.metrics import evaluate_light

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

lenses = read_columns(job.input.catalogue, ("theta_E", "q", "phi", "lens_q", "lens_phi"))
table = evaluate_light(lenses, f"{job.wildcards.camera}_light", job.params.bootstrap)
with atomic_write(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.7g")
