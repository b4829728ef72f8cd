"""Simulate the images of some rows of a catalogue into one shard."""

import argparse
import json

import torch

from lenscnn import provenance, storage
from lenscnn.devices import device_name, report_memory, resolve_device
from lenscnn.progress import Progress
from lenscnn.simulation import simulate_in_chunks

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--catalogue", required=True)
parser.add_argument("--subsets", type=json.loads, required=True, help="of the catalogue, JSON")
parser.add_argument("--spec", type=json.loads, required=True, help="the view, JSON")
parser.add_argument("--rows", type=int, nargs=2, required=True, metavar=("FIRST", "END"))
parser.add_argument("--out", required=True)
parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

torch.set_num_threads(args.threads)
device = resolve_device(args.device)
lenses, attrs = storage.read_catalogue([args.catalogue], subsets=provenance.canonical(args.subsets))
population = json.loads(attrs["spec"])
first, end = args.rows
lenses = {name: values[first:end] for name, values in lenses.items()}

attrs = provenance.collect(
    {"population": population, "view": args.spec}, [args.catalogue], device_name(device)
)
attrs |= {"unit": "source's peak surface brightness", "first_row": first}
n, n_pix = end - first, args.spec["n_pix"]
progress = Progress(n, "images")
with storage.ImageWriter(args.out, n, (1, n_pix, n_pix), attrs) as shard:
    shard.labels(lenses)
    for images in simulate_in_chunks(population, args.spec, lenses, device):
        shard.write(images)
        progress.add(len(images))
report_memory(device)
