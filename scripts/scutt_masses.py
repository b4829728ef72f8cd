"""Sample subhalo masses at a few slopes, for figure 2 of scutt."""

import argparse

import numpy as np

from lenscnn.core import storage
from lenscnn.papers.scutt import population
from lenscnn.records import provenance
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--spec", type=read_spec, required=True, help="the population, JSON file")
parser.add_argument("--alphas", type=float, nargs="+", required=True)
parser.add_argument("--lenses", type=int, required=True, help="lenses averaged at each slope")
parser.add_argument("--out", required=True)
args = parser.parse_args()

law = args.spec["mass_function"]
low, high = np.log10([law["minimum"], law["maximum"]])
if law["law"] == "decades":  # five bins a decade, each whole decade in the middle of one
    edges = np.arange(low - 0.1, high + 0.2, 0.2)
else:  # bins that end where the law does: one half empty would look like a feature
    edges = np.linspace(low, high, 1 + round((high - low) / 0.2))
counts, errors, numbers = [], [], []
for alpha in args.alphas:
    lenses = population.draw_lenses(args.spec, f"masses{alpha}", np.arange(args.lenses), alpha)
    mass, *_ = population.draw_subhaloes(args.spec, lenses)
    histogram, _ = np.histogram(np.log10(mass), edges)
    counts.append(histogram / args.lenses)
    errors.append(np.sqrt(histogram) / args.lenses)
    numbers.append(lenses["N"])
arrays = {
    "alpha": np.array(args.alphas),
    "log10_mass_edges": edges,
    "counts": np.array(counts),
    "counts_err": np.array(errors),
    "N_mean": np.mean(numbers, axis=1),
    "N_sd": np.std(numbers, axis=1),
}
attrs = provenance.collect(args.spec, []) | {"unit": "subhaloes per lens and bin"}
storage.write_h5(args.out, arrays, attrs)
for alpha, n in zip(args.alphas, numbers, strict=True):
    print(f"alpha = {alpha}: N = {n.mean():.1f} +- {n.std():.1f} in {args.lenses} lenses")
