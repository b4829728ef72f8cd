"""Draw some lenses of a data set of pearson2019: systems that the survey detects."""

import argparse
import sys

import numpy as np
import torch

from lenscnn.core import storage
from lenscnn.core.progress import Progress
from lenscnn.galaxies import photometry
from lenscnn.papers.pearson2019 import population
from lenscnn.papers.pearson2019.detection import make_detection_test
from lenscnn.records import provenance
from lenscnn.records.specs import read_spec

BLOCK = 2000  # lenses drawn at once: bounds the memory, changes no lens

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--spec", type=read_spec, required=True, help="the population, JSON file")
parser.add_argument("--split", required=True)
parser.add_argument("--rows", type=int, nargs=2, required=True, metavar=("FIRST", "END"))
parser.add_argument("--photometry", required=True, help="table of galaxy colours")
parser.add_argument("--out", required=True)
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

torch.set_num_threads(args.threads)
detection_test = make_detection_test(args.spec)
colours = photometry.load(args.photometry)
parts, rejected = [], dict.fromkeys(population.CUTS, 0)
first, end = args.rows
progress = Progress(end - first, "lenses")
for start in range(first, end, BLOCK):
    index = np.arange(start, min(start + BLOCK, end))
    try:
        lenses, lost = population.draw_lenses(
            args.spec, args.split, index, detection_test, colours, progress.add
        )
    except (population.NothingDetected, photometry.ColourError) as error:
        sys.exit(f"error: {error}")
    parts.append(lenses)
    rejected = {name: rejected[name] + lost[name] for name in rejected}
arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
units = {f"column {name}": meaning for name, meaning in population.COLUMNS.items()}
units["columns magnitude_*"] = "AB magnitude of the unlensed source or of the lens in a band"
attrs = provenance.collect(args.spec, [args.photometry]) | units
attrs |= {"split": args.split, "rejected": provenance.canonical_json(rejected)}
storage.write_h5(args.out, arrays, attrs)
print("attempts that failed by each cut: " + ", ".join(f"{k} {v:,}" for k, v in rejected.items()))
