"""Moments and Gaussian fits of the detected samples, as CSV."""

import numpy as np
import pandas as pd

from lenscnn.claims.registry import printed, read_registry
from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_columns
from lenscnn.papers.pearson2019.selection import QUANTITIES, by_sample, summarise

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

registry, catalogues = read_registry(job.input.registry), by_sample(job.input.catalogues)
tables = []
for draw, changed in zip(job.params.draws, job.params.changed, strict=True):
    survey = draw.removesuffix("_literal")  # two readings of one printed sample
    fits = {
        name: [
            np.nan if changed else printed(registry, "fit", survey, name, of)
            for of in ("mean", "sd")
        ]
        for name in QUANTITIES
    }
    lenses = read_columns(catalogues[draw], QUANTITIES)
    tables.append(summarise(draw, lenses, fits, job.params.bootstrap))
with atomic_write(job.output[0]) as path:
    pd.concat(tables).to_csv(path, index=False, float_format="%.7g")
