"""Limits of errors over a test set, overall and in bins, and its network beside them, as CSV."""

import json

import pandas as pd

from lenscnn.core.logs import logged
from lenscnn.core.storage import atomic_write, read_columns, read_h5
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.papers.pearson2019.limits import metrics
from lenscnn.papers.pearson2019.metrics import errors, parameters, read_predictions
from lenscnn.records.migrations import check_predictions

job = logged(snakemake)  # noqa: F821 (given by Snakemake)

limits, _ = read_h5(job.input.limits)
lenses = read_columns(job.input.catalogue, ("theta_E", "q", "phi", "snr", "lens_R_sersic"))
true = parameters(lenses["theta_E"], *q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"]))
expected = metrics.limits_by_kind(limits, true)
networks = []
for path, settings in zip(job.input.predictions, job.params.made_with, strict=True):
    check_predictions(path, json.loads(settings))
    truth, predicted, _ = read_predictions(path)
    found = metrics.floors(errors(truth, predicted), expected[metrics.LIMIT], job.params.bootstrap)
    networks.append(found)
tables = {
    job.output.overall: metrics.summarise(expected, limits["singular"], true),
    job.output.binned: metrics.binned_limits(expected, lenses, true, job.params.bins),
    job.output.network: pd.concat(networks or [pd.DataFrame(columns=metrics.FLOOR_COLUMNS)]),
}
for output, table in tables.items():
    with atomic_write(output) as path:
        table.to_csv(path, index=False, float_format="%.5g")
