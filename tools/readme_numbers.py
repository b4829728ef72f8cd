"""Print what documents say of pearson2019's results beyond the tables of the workflow.

    PYTHONPATH=src python tools/readme_numbers.py results/paper

reads the test samples and the predictions of pearson2019 under that folder, and the committed table
of colours.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from lenscnn.core.cosmology import age_of_universe
from lenscnn.core.storage import read_columns, read_h5
from lenscnn.galaxies.photometry import REFERENCE, k_corrections, load
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.papers.pearson2019.metrics import errors, parameters

ENDS = (2.3, 2.5, 2.8, 3.0, 3.5)  # arcsec

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("results", type=Path, help="folder of a scale, results/paper")
paper = parser.parse_args().results / "pearson2019"


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


def test_lenses(survey):
    shards = sorted((paper / f"population/{survey}/test").glob("*.h5"))
    if not shards:
        sys.exit(f"error: {paper}/population/{survey}/test holds no *.h5: give a folder of results")
    return read_columns(shards, ("theta_E", "q", "phi", "lens_q", "lens_phi"))


print("Ranges of theta_E to train in: lenses beyond, and the error that they bring")
for survey in ("euclid", "lsst"):
    theta_E = test_lenses(survey)["theta_E"]
    for end in ENDS:
        excess = np.clip(theta_E - end, 0, None)
        print(
            f'  {survey} to {end}": {np.count_nonzero(excess)} of {len(excess)}, {rms(excess):.3f}"'
        )

print("RMS error of theta_E up to the end of the training range, lens light removed")
paths = [
    path
    for name in ("vis_removed", "r_removed", "gri_removed")
    for path in sorted((paper / f"predictions/{name}").glob(f"{name}_seed*.h5"))
]
if not paths:
    print("  not predicted yet")
for path in paths:
    arrays, attrs = read_h5(path)
    population = json.loads(attrs["spec"])["training"]["images"]["population"]
    limits = population["training"]["theta_E"]
    truth, estimate = arrays["true"][:, 0], arrays["predicted"][:, 0]
    inside = truth <= limits["maximum"]
    error = estimate - truth
    print(
        f'  {path.stem}: {rms(error[inside]):.4f}", {1 - inside.mean():.1%} of lenses left out; '
        f'these {np.count_nonzero(~inside)} add {rms(error * ~inside):.4f}" in quadrature'
    )

print("Shape of the light times the best common factor, taken for the mass's")
lenses = test_lenses("euclid")
mass = np.stack(q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"]))
light = np.stack(q_phi_to_e1_e2_pearson(lenses["lens_q"], lenses["lens_phi"]))
factor = np.sum(mass * light) / np.sum(light**2)
error = errors(parameters(lenses["theta_E"], *mass), parameters(lenses["theta_E"], *factor * light))
off = ", ".join(f"{name} {rms(error[name]):.3f}" for name in ("e1", "e2", "ellipticity"))
print(f"  euclid: {factor:.2f}: {off}")

print("Normal errors of 0.1 in e1 and e2 of every lens, whatever its shape")
for survey in ("euclid", "lsst"):
    lenses = test_lenses(survey)
    mass = np.tile(q_phi_to_e1_e2_pearson(lenses["q"], lenses["phi"]), 20)
    wrong = mass + np.random.default_rng(1).normal(0, 0.1, mass.shape)
    radius = np.ones(mass.shape[1])
    error = errors(parameters(radius, *mass), parameters(radius, *wrong))
    off = ", ".join(f"{name} {rms(error[name]):.3f}" for name in ("e1", "ellipticity", "phi"))
    print(f"  {survey}: {off}")

print("K-correction in r, median of the SEDs that are younger than the universe")
colours = load("data/photometry/bc03.h5")
for z in (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
    young = np.flatnonzero(colours.age < age_of_universe(z, h=0.674, omega_m=0.32))
    change = k_corrections(colours, young, np.full(len(young), z), [REFERENCE])
    print(f"  z = {z:g}: {np.median(change):.1f} mag")
