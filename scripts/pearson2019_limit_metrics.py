"""Limits of errors over a test set, overall and in bins, as CSV."""

import json

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_columns, read_h5
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.papers.pearson2019.limits import metrics
from lenscnn.papers.pearson2019.metrics import parameters

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

limits, attrs = read_h5(job.input.limits)
lenses = read_columns(job.input.catalogue, ("theta_E", "q", "phi", "snr", "lens_R_sersic"))
true = parameters(lenses["theta_E"], *q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"]))
kinds = {kind: limits[kind] for kind in json.loads(attrs["kinds"])}
expected = metrics.limits_by_kind(kinds, true)
tables = {
    job.output.overall: metrics.summarise(expected, limits["singular"], true),
    job.output.binned: metrics.binned_limits(expected, lenses, true, job.params.bins),
}
for output, table in tables.items():
    with atomic_write(output) as path:
        table.to_csv(path, index=False, float_format="%.5g")
