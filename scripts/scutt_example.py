"""Source, surface mass density and image of one lens, for figure 3 of scutt."""

import argparse

import numpy as np
import torch

from lenscnn.core import storage
from lenscnn.core.conventions import pixel_centers
from lenscnn.lensing.isothermal import sie_convergence, sis_convergence
from lenscnn.lensing.light import gaussian
from lenscnn.papers.scutt import images, population
from lenscnn.records import provenance
from lenscnn.records.specs import read_spec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--population", type=read_spec, required=True, help="the population, JSON file")
parser.add_argument("--view", type=read_spec, required=True, help="the view, JSON file")
parser.add_argument("--alpha", type=float, required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

lens = population.draw_lenses(args.population, "example", np.arange(1), args.alpha)
subhaloes = population.draw_subhaloes(args.population, lens)
_, x, y, theta_E, _ = subhaloes
image = images.simulate(args.population, args.view, lens, subhaloes=subhaloes)

centers = torch.as_tensor(pixel_centers(args.view["n_pix"], args.view["pixel_scale"]))
grid_y, grid_x = torch.meshgrid(centers, centers, indexing="ij")
names = ("theta_E", "q", "phi", "center_x", "center_y")
kappa = sie_convergence(grid_x, grid_y, *(torch.as_tensor(lens[name][0]) for name in names))
for x_i, y_i, theta_i in zip(x, y, theta_E, strict=True):
    kappa += sis_convergence(
        grid_x, grid_y, torch.tensor(theta_i), torch.tensor(x_i), torch.tensor(y_i)
    )
zero, one = torch.tensor(0.0), torch.tensor(1.0)
source = gaussian(grid_x, grid_y, torch.tensor(args.view["source_sigma"]), zero, zero, one)
arrays = {
    "source": source.numpy(),
    "kappa": kappa.numpy(),
    "image": image[0, 0].numpy(),
    "sub_x": x,
    "sub_y": y,
    "sub_theta_E": theta_E,
}
attrs = provenance.collect({"population": args.population, "view": args.view}, [])
attrs |= {"pixel_scale": args.view["pixel_scale"], "unit": "arcsec; kappa dimensionless"}
attrs |= {name: float(values[0]) for name, values in lens.items() if name != "subset"}
storage.write_h5(args.out, arrays, attrs)
print(f"{args.out}: N = {len(x)} subhaloes at alpha = {args.alpha}")
