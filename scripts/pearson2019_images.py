"""Take the images of a catalogue of pearson2019 as one view sees them."""

import argparse
import json

import torch

from lenscnn import provenance, storage
from lenscnn.conventions import q_phi_to_e1_e2_pearson
from lenscnn.devices import device_name, report_memory, resolve_device
from lenscnn.exposures import expose_in_chunks
from lenscnn.population.pearson2019 import realigned
from lenscnn.progress import Progress

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--catalogue", nargs="+", required=True, help="its files, in order")
parser.add_argument("--split", required=True, help="train or test")
parser.add_argument("--spec", type=json.loads, required=True, help="the view, JSON")
parser.add_argument("--rows", type=int, nargs=2, required=True, metavar=("FIRST", "END"))
parser.add_argument("--out", required=True)
parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

torch.set_num_threads(args.threads)
device = resolve_device(args.device)
lenses, attrs = storage.read_catalogue(args.catalogue, split=args.split)
population, rows = json.loads(attrs["spec"]), slice(*args.rows)
lenses = {name: values[rows] for name, values in lenses.items()}
if args.spec["light_of_mass"]:
    lenses = realigned(population, args.split, lenses, args.spec["light_of_mass"])
lenses["e1"], lenses["e2"] = q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"])

attrs = provenance.collect(
    {"population": population, "view": args.spec}, args.catalogue, device_name(device)
)
attrs |= {"unit": "electrons above the mean background", "bands": " ".join(args.spec["bands"])}
n, n_pix = len(lenses["index"]), population["survey"]["n_pix"]
progress = Progress(n, "images")
with storage.ImageWriter(args.out, n, (len(args.spec["bands"]), n_pix, n_pix), attrs) as shard:
    shard.labels(lenses)
    for images in expose_in_chunks(population, args.split, args.spec, lenses, device):
        shard.write(images)
        progress.add(len(images))
report_memory(device)
