"""Whole images per CPU-second of one thread: this package against lenstronomy, same scenes.

Both draw 60 x 60 images of the same catalogued lenses with exactly 450 subhaloes each. Ours are
timed from the draw of masses and places to the noise and the scaling to [0, 1]; lenstronomy is
given the drawn numbers and timed over the noise-free image alone, so the ratio is a lower bound.
Rounds of the two alternate, and time is CPU time, so that other work on the machine counts little.

A second table is of noise-free images of pearson2019's lenses, source and lens light: with equal
sub-pixels in both codes, and ours as configured, which quarters sub-pixels where the light needs
it, beside lenstronomy with many. Errors are against ours at a thousandth of the tolerance.
"""

import math
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import yaml

from lenscnn import observation, simulation, storage
from lenscnn.detection import FWHM
from lenscnn.lensing import reference
from lenscnn.lensing.rendering import render_galaxies
from lenscnn.population import scutt

ROOT = Path(__file__).parents[1]
N = 450
ALPHA = -2.13  # where the power law puts some 450 subhaloes into a lens
N_CANDIDATES = 70_000  # lenses drawn, of which those with exactly N are kept
ROUNDS, N_THEIRS, REPEATS = 9, 16, 2
TOLERANCE = 1e-4  # of the peak
CHUNK, N_GPU = 512, 100_000
N_GALAXIES, N_GALAXIES_THEIRS, GALAXY_ROUNDS = 256, 4, 7
EQUAL, FINE = 3, 10  # sub-pixels along an axis: both codes', and lenstronomy's for accuracy

papers = yaml.safe_load((ROOT / "config/config.yaml").read_text())
config = papers["scutt"]
view = {**config["views"]["fixed"], **config["scene"]}
draw = view.pop("draw")
population = {
    "seed": 1,
    "draw": draw,
    "geometry": config["draws"][draw],
    "mass_function": config["mass_functions"]["powerlaw"],
    **config["population"],
}


def ours(lenses: dict, device: str = "cpu") -> torch.Tensor:
    return observation.normalise(simulation.simulate(population, view, lenses, device))


def theirs(lenses: dict) -> np.ndarray:
    """The same scenes without noise; `lenses` are drawn beforehand, outside the timing."""
    return np.stack([
        reference.image(
            {name: float(lenses[name][k])
             for name in ("theta_E", "q", "phi", "center_x", "center_y")},
            halos,
            {"sigma": view["source_sigma"], "center_x": 0.0, "center_y": 0.0},
            view["n_pix"], view["pixel_scale"], view["supersampling"], view["psf_sigma"],
        )
        for k, halos in enumerate(lenses["halos"])
    ])  # fmt: skip


def subhaloes(lenses: dict) -> list[tuple[np.ndarray, ...]]:
    _, x, y, theta_E, bounds = scutt.draw_subhaloes(population, lenses)
    edges = zip(bounds[:-1], bounds[1:], strict=True)
    return [(x[a:b], y[a:b], theta_E[a:b]) for a, b in edges]


def galaxies(n: int) -> list[dict[str, torch.Tensor]]:
    """Lens, source and lens light within the ranges of what Euclid detects, de Vaucouleurs-like."""
    rng = np.random.default_rng(1)
    n_sersic = papers["pearson2019"]["population"]["n_sersic"]
    shape = {"q": rng.uniform(0.4, 1, (2, n)), "phi": rng.uniform(0, np.pi, (2, n))}
    shape["n_sersic"] = rng.normal(n_sersic["mean"], n_sersic["sd"], (2, n))
    lens = {"theta_E": rng.uniform(0.5, 2, n), "q": rng.uniform(0.4, 1, n)}
    lens |= {"phi": rng.uniform(0, np.pi, n)}
    lens |= {"center_x": rng.normal(0, 0.1, n), "center_y": rng.normal(0, 0.1, n)}
    beta, angle = lens["theta_E"] * rng.uniform(0, 0.5, n) ** 0.5, rng.uniform(0, 2 * np.pi, n)
    source = {name: values[0] for name, values in shape.items()}
    source |= {"R_sersic": np.exp(rng.uniform(np.log(0.04), np.log(0.5), n))}
    source |= {
        "center_x": lens["center_x"] + beta * np.cos(angle),
        "center_y": lens["center_y"] + beta * np.sin(angle),
    }
    light = {name: values[1] for name, values in shape.items()}
    light |= {"R_sersic": np.exp(rng.uniform(np.log(0.35), np.log(1.4), n))}
    return [
        {name: torch.tensor(values, dtype=torch.float32) for name, values in part.items()}
        for part in (lens, source, light)
    ]


def our_galaxies(parts: list, supersampling: int, tolerance: float) -> np.ndarray:
    images = render_galaxies(*parts, *camera, supersampling, psf_sigma, tolerance)[:2]
    return torch.cat(images, 1).numpy()


def their_galaxies(parts: list, supersampling: int) -> np.ndarray:
    singles = [
        [{name: float(values[k]) for name, values in part.items()} for part in parts]
        for k in range(len(parts[0]["q"]))
    ]
    return np.stack([
        reference.galaxy_images(*single, *camera, supersampling, psf_sigma) for single in singles
    ])  # fmt: skip


def difference_of(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Largest difference of each image, in units of its peak."""
    return np.abs(images - truth).max((2, 3)) / truth.max((2, 3))


def cpu_seconds(function, *arguments) -> float:
    begun = time.process_time()
    function(*arguments)
    return time.process_time() - begun


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def gpu_seconds() -> float:
    """Wall seconds for `N_GPU` images of a population like the papers', into a shard."""
    lenses = scutt.draw_lenses(population, "gpu", np.arange(N_GPU), None)
    ours({name: values[:CHUNK] for name, values in lenses.items()}, "cuda")  # compiles
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        shape = (1, view["n_pix"], view["n_pix"])
        with storage.ImageWriter(Path(folder) / "shard.h5", N_GPU, shape, {}) as shard:
            for start in range(0, N_GPU, CHUNK):
                chunk = {name: values[start : start + CHUNK] for name, values in lenses.items()}
                shard.write(simulation.simulate(population, view, chunk, "cuda").cpu().numpy())
    return time.perf_counter() - begun


def spread(values) -> str:
    return f"{np.median(values):9,.1f}   ({np.min(values):,.1f} to {np.max(values):,.1f})"


torch.set_num_threads(1)
subsets = [{"name": "benchmark", "n": N_CANDIDATES, "alpha": ALPHA}]
drawn = scutt.catalogue(population, subsets)
exact = np.flatnonzero(drawn["N"] == N)
lenses = {name: values[exact] for name, values in drawn.items()}
n_ours = len(exact)
few = {name: values[:N_THEIRS] for name, values in lenses.items()}
few["halos"] = subhaloes(few)

# Also the first call of each, which compiles.
expected = theirs(few)
images = simulation.scene(population, view, few).numpy()[:, 0]
peaks = expected.max((1, 2), keepdims=True)
difference = float((np.abs(images - expected) / peaks).max())
ours(few)

our_rates, their_rates = [], []
for _ in range(ROUNDS):
    seconds = sum(cpu_seconds(ours, lenses) for _ in range(REPEATS))
    our_rates.append(REPEATS * n_ours / seconds)
    their_rates.append(N_THEIRS / cpu_seconds(theirs, few))
ratios = np.divide(our_rates, their_rates)

packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numba", "lenstronomy"))
print(f"machine      {cpu_model()}, {torch.multiprocessing.cpu_count()} cores; one thread used")
print(f"software     Python {platform.python_version()}, {packages}")
print(
    f"scenes       {view['n_pix']} x {view['n_pix']}, {N} subhaloes in each of {n_ours} lenses, "
    f"kept from {N_CANDIDATES:,}\n"
    f"             drawn at alpha = {ALPHA} (mean N = {drawn['N'].mean():.1f})"
)
print(f"\nimages per CPU-second, median (least to most) of {ROUNDS} alternating rounds")
print(f"  lenscnn      {spread(our_rates)}   draws, image, noise, scaling; float32")
print(f"  lenstronomy  {spread(their_rates)}   image only; float64")
print(f"  ratio        {spread(ratios)}")
print(f"  largest difference of the images  {difference:.1e} of the peak")

euclid, scene = papers["pearson2019"]["surveys"]["euclid"], papers["pearson2019"]["scene"]
camera, psf_sigma = (euclid["n_pix"], euclid["pixel_scale"]), euclid["seeing"] / FWHM
many = galaxies(N_GALAXIES)
some = [{name: v[:N_GALAXIES_THEIRS] for name, v in part.items()} for part in many]
runs = {  # images, and what draws them
    f"lenscnn, {EQUAL} x {EQUAL} sub-pixels": (many, our_galaxies, EQUAL, math.inf),
    f"lenstronomy, {EQUAL} x {EQUAL}": (some, their_galaxies, EQUAL),
    "lenscnn as configured": (many, our_galaxies, scene["supersampling"], scene["tolerance"]),
    f"lenstronomy, {FINE} x {FINE}": (some, their_galaxies, FINE),
}
truth = our_galaxies(many, scene["supersampling"], scene["tolerance"] / 1000)
drawn_images = {name: run[1](run[0], *run[2:]) for name, run in runs.items()}
rates = {name: [] for name in runs}
for _ in range(GALAXY_ROUNDS):
    for name, (parts, draw_images, *how) in runs.items():
        seconds = cpu_seconds(draw_images, parts, *how)
        rates[name].append(len(parts[0]["q"]) / seconds)
our_equal, their_equal, our_adaptive, their_fine = runs
equal = drawn_images[our_equal][:N_GALAXIES_THEIRS]
galaxy_difference = float(difference_of(equal, drawn_images[their_equal]).max())
print(
    f"\nsystems      {camera[0]} x {camera[0]} at {camera[1]} arcsec, source and lens light, "
    f"n = 4; {N_GALAXIES} ours, {N_GALAXIES_THEIRS} theirs"
)
print(f"systems per CPU-second, median (least to most) of {GALAXY_ROUNDS} alternating rounds;")
print("error of the images, median and largest, in units of the peak")
for name in runs:
    error = difference_of(drawn_images[name], truth[: len(drawn_images[name])])
    print(f"  {name:27s}  {spread(rates[name])}   {np.median(error):.0e}, {error.max():.0e}")
for pair in ((our_equal, their_equal), (our_adaptive, their_equal), (our_adaptive, their_fine)):
    ratio = np.divide(rates[pair[0]], rates[pair[1]])
    print(f"  {' / '.join(pair)}: {spread(ratio).strip()}")
print(f"  largest difference at {EQUAL} x {EQUAL}  {galaxy_difference:.1e} of the peak")

if torch.cuda.is_available():
    print(
        f"\n{N_GPU:,} images (alpha from {population['alpha']['minimum']} to "
        f"{population['alpha']['maximum']}) on {torch.cuda.get_device_name()},\n"
        f"draws to HDF5: {gpu_seconds():.1f} s"
    )
if not max(difference, galaxy_difference) < TOLERANCE:
    sys.exit(f"the images differ by more than {TOLERANCE:g} of the peak")
