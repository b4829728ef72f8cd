"""Errors of taking the shape of the lens light for that of the mass, as CSV."""

import numpy as np

from lenscnn.lens_metrics import evaluate_light
from lenscnn.storage import read_h5, replacing

job = snakemake  # noqa: F821 (given by Snakemake)

shards = [read_h5(path)[0] for path in job.input.catalogue]
columns = ("theta_E", "q", "phi", "lens_q", "lens_phi")
lenses = {name: np.concatenate([shard[name] for shard in shards]) for name in columns}
table = evaluate_light(lenses, f"{job.wildcards.camera}_light", job.params.bootstrap)
with replacing(job.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.7g")
