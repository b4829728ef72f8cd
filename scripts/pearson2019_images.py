"""Take the images of a catalogue of pearson2019 as one view sees them."""

import argparse

import torch

from lenscnn.core import storage
from lenscnn.core.devices import device_name, report_memory, resolve_device
from lenscnn.core.progress import Progress
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.papers.pearson2019.images import images_in_chunks
from lenscnn.papers.pearson2019.systems import realigned
from lenscnn.records import migrations, provenance
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--catalogue", nargs="+", required=True, help="its files, in order")
parser.add_argument("--spec", type=read_spec, required=True, help="of the images, JSON file")
parser.add_argument("--rows", type=int, nargs=2, required=True, metavar=("FIRST", "END"))
parser.add_argument("--out", required=True)
parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

torch.set_num_threads(args.threads)
device = resolve_device(args.device)
population, view, split = (args.spec[key] for key in ("population", "view", "split"))
lenses, attrs = storage.read_catalogue(args.catalogue, split=split)
migrations.check_catalogue(args.catalogue[0], attrs, population)
lenses = {name: values[slice(*args.rows)] for name, values in lenses.items()}
lenses = realigned(population, split, lenses, view["light_of_mass"])
lenses["e1"], lenses["e2"] = q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"])

attrs = provenance.collect(args.spec, args.catalogue, device_name(device))
attrs |= {"unit": "electrons above the mean background", "bands": " ".join(view["bands"])}
n_bands, n_pix = len(view["bands"]), population["survey"]["n_pix"]
progress = Progress(len(lenses["index"]), "images")
with storage.ImageWriter(args.out, lenses, (n_bands, n_pix, n_pix), attrs) as shard:
    for images in images_in_chunks(population, split, view, lenses, device):
        shard.write(images)
        progress.add(len(images))
report_memory(device)
