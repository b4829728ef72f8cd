"""Fit images of pearson2019, some with lenstronomy; write fits and network's estimates as CSV."""

import argparse

import numpy as np
import pandas as pd

from lenscnn.core.progress import Progress
from lenscnn.core.storage import atomic_write, read_catalogue, read_h5
from lenscnn.papers.pearson2019.limits.fits import COLUMNS, fit_images, least_errors
from lenscnn.papers.pearson2019.limits.lenstronomy_fits import ONE_IN, fit_with_lenstronomy
from lenscnn.papers.pearson2019.limits.parameters import to_vectors
from lenscnn.papers.pearson2019.metrics import ESTIMATED
from lenscnn.records import migrations
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--catalogue", nargs="+", required=True, help="its files, in order")
parser.add_argument("--predictions", required=True, help="of its network")
parser.add_argument("--spec", type=read_spec, required=True, help="of the images, a file")
parser.add_argument("--n", type=int, required=True, help="images to fit, evenly spread")
parser.add_argument("--out", required=True)
args = parser.parse_args()

lenses, attrs = read_catalogue(args.catalogue, split="test")
migrations.check_catalogue(args.catalogue[0], attrs, args.spec["population"])
network = read_h5(args.predictions)[0]["predicted"].astype(float)
rows = np.arange(args.n) * (len(network) // args.n)
population, view = args.spec["population"], args.spec["view"]
bounds = least_errors(population, view, lenses, rows)
few = rows[: len(rows) // ONE_IN * ONE_IN : ONE_IN]
ours = Progress(len(rows), "images")
fits = fit_images(population, view, lenses, rows, network, report=ours.add)
theirs = Progress(len(few), "images with lenstronomy")
fits |= fit_with_lenstronomy(population, view, lenses, few, network, report=theirs.add)
unknown = np.tile([np.nan, np.nan, 1.0, np.nan], (args.n, 1))
fits["cnn"] = np.concatenate([network[rows], unknown], axis=1)

true = to_vectors(lenses, list(ESTIMATED))[rows]
frames = []
for estimate, found in fits.items():
    fitted = np.isin(rows, few) if estimate.startswith("lenstronomy") else slice(None)
    frame = pd.DataFrame(found, columns=COLUMNS)
    frame.insert(0, "index", rows[fitted])
    frame.insert(0, "estimate", estimate)
    for k, target in enumerate(ESTIMATED):
        frame[f"true_{target}"] = true[fitted, k]
        for kind, errors in bounds.items():
            frame[f"{kind}_{target}"] = errors[fitted, k]
    frames.append(frame)
with atomic_write(args.out) as path:
    pd.concat(frames).to_csv(path, index=False, float_format="%.5g")
