"""Moments and Gaussian fits of the detected samples, as CSV."""

import numpy as np
import pandas as pd

from lenscnn.selection import QUANTITIES, summarise
from lenscnn.storage import read_h5, replacing

job = snakemake  # noqa: F821 (given by Snakemake)

tables = []
for draw, printed in job.params.printed.items():
    parts = [read_h5(path)[0] for path in job.input[draw]]
    lenses = {name: np.concatenate([part[name] for part in parts]) for name in QUANTITIES}
    tables.append(summarise(draw, lenses, printed, job.params.bootstrap))
with replacing(job.output[0]) as path:
    pd.concat(tables).to_csv(path, index=False, float_format="%.7g")
