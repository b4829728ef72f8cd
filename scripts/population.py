"""Draw the catalogue of one split: who lenses whom, with how many subhaloes."""

import argparse

from lenscnn.core import storage
from lenscnn.papers.scutt import population
from lenscnn.records import provenance
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--spec", type=read_spec, required=True, help="the population, JSON file")
parser.add_argument("--subsets", type=read_spec, required=True, help="name, n, alpha of each")
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
