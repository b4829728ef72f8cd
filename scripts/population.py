"""Draw the catalogue of one split: who lenses whom, with how many subhaloes."""

import argparse
import json

from lenscnn.core import storage
from lenscnn.papers.scutt import population
from lenscnn.records import provenance

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--spec", type=json.loads, required=True, help="the population, JSON")
parser.add_argument("--subsets", type=json.loads, required=True, help="name, n, alpha of each")
parser.add_argument("--out", required=True)
args = parser.parse_args()

lenses = population.catalogue(args.spec, args.subsets)
units = {f"column {name}": meaning for name, meaning in population.COLUMNS.items()}
attrs = provenance.collect(args.spec, []) | units
attrs["subsets"] = provenance.canonical_json(args.subsets)
storage.write_h5(args.out, lenses, attrs)
print(
    f"{args.out}: {len(lenses['N'])} lenses, "
    f"N = {lenses['N'].mean():.1f} +- {lenses['N'].std():.1f}, at most {lenses['N'].max()}"
)
