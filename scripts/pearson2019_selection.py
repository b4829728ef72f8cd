"""Moments and Gaussian fits of the detected samples, as CSV."""

import pandas as pd

from lenscnn.claims.registry import printed, read_registry
from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_columns
from lenscnn.papers.pearson2019.selection import QUANTITIES, summarise

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

registry = read_registry(job.input.registry)
tables = []
for draw in job.params.draws:
    lenses = read_columns(job.input[draw], QUANTITIES)
    survey = draw.removesuffix("_literal")  # two readings of one printed sample
    fits = {
        name: [printed(registry, "fit", survey, name, of) for of in ("mean", "sd")]
        for name in QUANTITIES
    }
    tables.append(summarise(draw, lenses, fits, job.params.bootstrap))
with atomic_write(job.output[0]) as path:
    pd.concat(tables).to_csv(path, index=False, float_format="%.7g")
