"""Whole images per CPU-second of one thread: this package against lenstronomy, same scenes.

Both draw 60 x 60 images of the same catalogued lenses with exactly 450 subhaloes each. Ours are
timed from the draw of masses and places to the noise and the scaling to [0, 1]; lenstronomy is
given the drawn numbers and timed over the noise-free image alone, so the ratio is a lower bound.
Rounds of the two alternate, and time is CPU time, so that other work on the machine counts little.
"""

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
from lenscnn.lensing import reference
from lenscnn.population import scutt

ROOT = Path(__file__).parents[1]
N = 450
ALPHA = -2.13  # where the power law puts some 450 subhaloes into a lens
N_CANDIDATES = 70_000  # lenses drawn, of which those with exactly N are kept
ROUNDS, N_THEIRS, REPEATS = 9, 16, 2
TOLERANCE = 1e-4  # of the peak
CHUNK, N_GPU = 512, 100_000

config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["scutt"]
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

if torch.cuda.is_available():
    print(
        f"\n{N_GPU:,} images (alpha from {population['alpha']['minimum']} to "
        f"{population['alpha']['maximum']}) on {torch.cuda.get_device_name()},\n"
        f"draws to HDF5: {gpu_seconds():.1f} s"
    )
if not difference < TOLERANCE:
    sys.exit(f"the images differ by more than {TOLERANCE:g} of the peak")
