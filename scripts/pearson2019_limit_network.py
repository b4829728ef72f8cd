"""Errors of a view's network beside the limits of the same images, as CSV."""

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
lenses = read_columns(job.input.catalogue, ("theta_E", "q", "phi"))
true = parameters(lenses["theta_E"], *q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"]))
expected = metrics.limits_by_kind({metrics.LIMIT: limits[metrics.LIMIT]}, true)[metrics.LIMIT]
networks = []
for path, settings in zip(job.input.predictions, job.params.made_with, strict=True):
    check_predictions(path, json.loads(settings))
    truth, predicted, _ = read_predictions(path)
    networks.append(metrics.floors(errors(truth, predicted), expected, job.params.bootstrap))
with atomic_write(job.output[0]) as path:
    table = pd.concat(networks or [pd.DataFrame(columns=metrics.FLOOR_COLUMNS)])
    table.to_csv(path, index=False, float_format="%.5g")
