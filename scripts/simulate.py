"""Simulate the images of some rows of a catalogue into one shard."""

import argparse

import torch

from lenscnn.core import storage
from lenscnn.core.devices import device_name, report_memory, resolve_device
from lenscnn.core.progress import Progress
from lenscnn.papers.scutt.images import simulate_in_chunks
from lenscnn.records import migrations, provenance
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--catalogue", required=True)
parser.add_argument("--spec", type=read_spec, required=True, help="of the images, JSON file")
parser.add_argument("--rows", type=int, nargs=2, required=True, metavar=("FIRST", "END"))
parser.add_argument("--out", required=True)
parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

torch.set_num_threads(args.threads)
device = resolve_device(args.device)
population, view = args.spec["population"], args.spec["view"]
subsets = provenance.canonical_json(args.spec["subsets"])
lenses, attrs = storage.read_catalogue([args.catalogue], subsets=subsets)
migrations.check_catalogue(args.catalogue, attrs, population)
first, end = args.rows
lenses = {name: values[first:end] for name, values in lenses.items()}

attrs = provenance.collect(args.spec, [args.catalogue], device_name(device))
attrs |= {"unit": "source's peak surface brightness", "first_row": first}
n, n_pix = end - first, view["n_pix"]
progress = Progress(n, "images")
with storage.ImageWriter(args.out, lenses, (1, n_pix, n_pix), attrs) as shard:
    for images in simulate_in_chunks(population, view, lenses, device):
        shard.write(images)
        progress.add(len(images))
report_memory(device)
