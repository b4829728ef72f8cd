"""Compute the least errors that images of a sample of pearson2019 allow, view by view."""

import argparse
import json
from pathlib import Path

from lenscnn.core import storage
from lenscnn.core.progress import Progress
from lenscnn.papers.pearson2019.limits.bounds import COLUMNS, KINDS, limits_in_chunks
from lenscnn.records import migrations, provenance
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--catalogue", nargs="+", required=True, help="its files, in order")
parser.add_argument(
    "--specs", type=read_spec, required=True, help="of the images of each view, a file"
)
parser.add_argument("--out", nargs="+", required=True, help="files, named as the views")
args = parser.parse_args()

views = {name: spec["view"] for name, spec in args.specs.items()}
spec = next(iter(args.specs.values()))
lenses, attrs = storage.read_catalogue(args.catalogue, split="test")
migrations.check_catalogue(args.catalogue[0], attrs, spec["population"])

progress = Progress(len(lenses["index"]), "lenses")
limits = limits_in_chunks(spec["population"], views, lenses, progress.add)
for path in args.out:
    view = Path(path).stem
    arrays = limits[view]
    attrs = provenance.collect(args.specs[view], args.catalogue)
    attrs |= {
        "columns": " ".join(COLUMNS),
        "kinds": json.dumps({k: KINDS[k] for k in KINDS if k in arrays}),
    }
    storage.write_h5(path, arrays, attrs)
