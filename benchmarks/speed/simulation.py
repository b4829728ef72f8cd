"""Simulation of both papers beside lenstronomy and caustics."""

import math
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from machine import Machine, compare, contest, installed
from table import gaussian_source_flop, sersic_galaxies_flop

from lenscnn.core import storage
from lenscnn.instrument.survey import FWHM
from lenscnn.lensing import lenstronomy_reference
from lenscnn.papers.pearson2019 import images as pearson2019
from lenscnn.papers.pearson2019.scene import render_scene
from lenscnn.papers.pearson2019.specs import Pearson2019
from lenscnn.papers.scutt import images as scutt
from lenscnn.papers.scutt import population as lenses_of_scutt
from lenscnn.papers.scutt.specs import Scutt

N_SUBHALOES, ALPHA = 450, -2.13  # where the power law puts some 450 subhaloes into a lens
N_CANDIDATES = 30_000  # lenses drawn, of which those with exactly N_SUBHALOES are kept
REPEATS = 4  # of these, so that opening a file counts little
N_THEIRS = 4  # images a round of the slow peers
N_BATCHED = 16  # the same where caustics draws a batch of so many
N_SYSTEMS = 512
EQUAL, FINE = 3, 10  # sub-pixels along an axis: in every code, and of lenstronomy for accuracy
AGREEMENT = 1e-4  # of the peak, that images of the same sub-pixels may differ by
N_SIMULATED_ON_GPU = {"scutt": 100_000, "pearson2019": 5_000}


def scutt_rows(machine: Machine, paper: Scutt) -> list[dict]:
    """Compare scutt from catalogued lenses to a file of noisy images, subhaloes drawn on the way.

    The peers are given the subhaloes and draw the noise-free images alone, so that ratios to them
    are lower bounds.
    """
    population, view = paper.population_spec("fixed"), paper.view_spec("fixed")
    lenses = scutt_lenses(machine, population)
    n = len(lenses["N"])

    def ours():
        chunks = scutt.simulate_in_chunks(population, view, lenses, machine.device)
        into_shard(n, (1, view["n_pix"], view["n_pix"]), chunks)

    peers, differences = {}, {}
    if machine.device.type == "cpu":
        few = rows_of(lenses, slice(N_THEIRS))
        peers = scutt_peers(population, view, few)
        truth = scutt.scene(population, view, few)[:, 0].numpy()
        differences = {peer: largest_difference(draw(), truth) for peer, draw in peers.items()}
        require_same_images(differences)
    contestants = {"ours": lambda: machine.rate(n, ours)} | {
        name: lambda images=images: machine.rate(N_THEIRS, images) for name, images in peers.items()
    }
    rates = contest(contestants | machine.arithmetic("float32"))
    flop = gaussian_source_flop(view["n_pix"], float(np.mean(lenses["N"])))
    stage = f"simulation: scutt, {np.mean(lenses['N']):.0f} subhaloes"
    stated = 14400 / 1e5, "4 h for 100,000"
    return compare(stage, machine, flop, rates, peers, differences, stated)


def scutt_lenses(machine: Machine, population: dict) -> dict[str, np.ndarray]:
    """Draw lenses: on a CPU with as many subhaloes in each, on a GPU as the workflow does."""
    if machine.device.type == "cuda":
        index = np.arange(N_SIMULATED_ON_GPU["scutt"])
        return lenses_of_scutt.draw_lenses(population, "benchmark", index, None)
    drawn = lenses_of_scutt.draw_lenses(population, "benchmark", np.arange(N_CANDIDATES), ALPHA)
    exact = np.flatnonzero(drawn["N"] == N_SUBHALOES)
    return rows_of(drawn, np.tile(exact, REPEATS))


def scutt_peers(population: dict, view: dict, few: dict) -> dict[str, Callable[[], np.ndarray]]:
    """Return what draws the images of a few lenses, by each peer that is installed."""
    _, x, y, theta_E, bounds = lenses_of_scutt.draw_subhaloes(population, few)
    edges = zip(bounds[:-1], bounds[1:], strict=True)
    halos = [(x[a:b], y[a:b], theta_E[a:b]) for a, b in edges]
    source = {"sigma": view["source_sigma"], "center_x": 0.0, "center_y": 0.0}
    camera = view["n_pix"], view["pixel_scale"], view["supersampling"], view["psf_sigma"]
    peers = {}
    if peer := installed("lenstronomy"):
        peers[peer] = lambda: np.stack([
            lenstronomy_reference.image(rows_of(few, k), halos[k], source, *camera)
            for k in range(N_THEIRS)
        ])  # fmt: skip
    if peer := installed("caustics"):
        import peer_caustics

        peers[peer] = lambda: peer_caustics.scutt_images(few, halos, view)
    return peers


def pearson2019_rows(machine: Machine, paper: Pearson2019, camera: str) -> list[dict]:
    """Compare pearson2019 from catalogued lenses to a file of images in all bands, lens light kept.

    The peers draw lensed source and lens light without noise, once for all bands, which differ by
    factors: ratios are lower bounds.
    """
    survey, configured = paper.survey_of(camera), paper.config["scene"]
    bands = paper.config["cameras"][camera]["bands"]
    on_cpu = machine.device.type == "cpu"
    n = N_SYSTEMS if on_cpu else N_SIMULATED_ON_GPU["pearson2019"]
    lenses = draw_systems(n, bands, paper.config["population"]["n_sersic"])
    few = {"lenstronomy": rows_of(lenses, slice(N_THEIRS)),
           "caustics": rows_of(lenses, slice(N_BATCHED))}  # fmt: skip
    codes = {code: name for code in few if on_cpu and (name := installed(code))}
    peers = {f"{name}, {EQUAL} x {EQUAL}": (code, EQUAL) for code, name in codes.items()}
    finer = {}
    if "lenstronomy" in codes:
        finer[f"{codes['lenstronomy']}, {FINE} x {FINE}"] = "lenstronomy", FINE
    even = {"supersampling": EQUAL, "tolerance": math.inf}
    stage = f"simulation: pearson2019, {len(bands)} band{'s' * (len(bands) > 1)}"
    table = []
    for words, scene, runs in (
        ("", configured, peers | finer),
        (f", {EQUAL} x {EQUAL} sub-pixels", even, peers),
    ):
        differences = pearson2019_differences(survey, scene, few, runs)
        if scene is even:  # the configured one is finer than a peer's even grid
            require_same_images(differences)
        contestants = {"ours": pearson2019_rate(machine, survey, scene, bands, lenses)} | {
            peer: lambda code=code, sub=sub: machine.rate(
                len(few[code]["q"]), galaxy_images, code, few[code], survey, sub
            )
            for peer, (code, sub) in runs.items()
        }
        rates = contest(contestants | machine.arithmetic("float32"))
        flop = sersic_galaxies_flop(survey["n_pix"], scene["supersampling"], len(bands))
        table += compare(stage + words, machine, flop, rates, runs, differences)
    return table


def pearson2019_rate(
    machine: Machine, survey: dict, scene: dict, bands: list[str], lenses: dict[str, np.ndarray]
) -> Callable[[], float]:
    """Return what draws images of lenses into a file and gives images per second."""
    population = {"seed": 1, "draw": "benchmark", "survey": survey, "scene": scene}
    view = {"bands": bands, "visits": 1, "lens_light": "kept"}
    n = len(lenses["q"])

    def draw():
        chunks = pearson2019.images_in_chunks(population, "benchmark", view, lenses, machine.device)
        into_shard(n, (len(bands), survey["n_pix"], survey["n_pix"]), chunks)

    return lambda: machine.rate(n, draw)


def pearson2019_differences(
    survey: dict, scene: dict, few: dict[str, dict], runs: dict[str, tuple[str, int]]
) -> dict[str, float]:
    """Return the largest difference of each peer's images from ours, in units of the peak.

    `few` are the lenses by code, `runs` code and sub-pixels along an axis by peer.
    """
    differences = {}
    for peer, (code, sub) in runs.items():
        images = render_scene(survey, scene, few[code], with_lens_light=True)[:2]
        theirs = galaxy_images(code, few[code], survey, sub)
        differences[peer] = largest_difference(theirs, torch.cat(images, 1).numpy())
    return differences


def galaxy_images(code: str, lenses: dict, survey: dict, supersampling: int) -> np.ndarray:
    """Draw lensed sources and lens light (B, 2, n_pix, n_pix) with a peer's code."""
    parts = galaxies_of(lenses)
    camera = survey["n_pix"], survey["pixel_scale"], supersampling, survey["seeing"] / FWHM
    if code == "caustics":
        import peer_caustics

        return peer_caustics.galaxy_images(*parts, *camera)
    return np.stack([
        lenstronomy_reference.galaxy_images(*(rows_of(part, k) for part in parts), *camera)
        for k in range(len(lenses["q"]))
    ])  # fmt: skip


def draw_systems(n: int, bands: list[str], n_sersic: dict) -> dict[str, np.ndarray]:
    """Draw catalogued lenses within the ranges of what Euclid detects, de Vaucouleurs-like."""
    rng = np.random.default_rng(1)
    lenses = {
        "index": np.arange(n),
        "theta_E": rng.uniform(0.5, 2, n), "q": rng.uniform(0.4, 1, n),
        "phi": rng.uniform(0, np.pi, n),
        "center_x": rng.normal(0, 0.1, n), "center_y": rng.normal(0, 0.1, n),
        "source_R_sersic": np.exp(rng.uniform(np.log(0.04), np.log(0.5), n)),
        "lens_R_sersic": np.exp(rng.uniform(np.log(0.35), np.log(1.4), n)),
    }  # fmt: skip
    beta, angle = lenses["theta_E"] * rng.uniform(0, 0.5, n) ** 0.5, rng.uniform(0, 2 * np.pi, n)
    lenses |= {"source_x": beta * np.cos(angle), "source_y": beta * np.sin(angle)}
    for galaxy, faintest in (("source", 25.0), ("lens", 21.0)):
        lenses |= {
            f"{galaxy}_q": rng.uniform(0.4, 1, n),
            f"{galaxy}_phi": rng.uniform(0, np.pi, n),
            f"{galaxy}_n_sersic": rng.normal(n_sersic["mean"], n_sersic["sd"], n),
        }
        lenses |= {f"magnitude_{galaxy}_{band}": faintest - rng.uniform(0, 3, n) for band in bands}
    return lenses


def galaxies_of(lenses: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Return mass, source and lens light with the names that the peers' scenes have for them."""
    lens = {name: lenses[name] for name in ("theta_E", "q", "phi", "center_x", "center_y")}
    light = {
        galaxy: {name: lenses[f"{galaxy}_{name}"] for name in ("R_sersic", "n_sersic", "q", "phi")}
        | {"center_x": lens["center_x"], "center_y": lens["center_y"]}
        for galaxy in ("source", "lens")
    }
    light["source"]["center_x"] = lens["center_x"] + lenses["source_x"]
    light["source"]["center_y"] = lens["center_y"] + lenses["source_y"]
    return [lens, light["source"], light["lens"]]


def into_shard(n: int, shape: tuple, chunks: Iterable[np.ndarray]) -> None:
    """Draw images chunk by chunk into a file, as the workflow does."""
    with tempfile.TemporaryDirectory() as folder:
        with storage.ImageWriter(
            Path(folder) / "shard.h5", {"index": np.arange(n)}, shape, {}
        ) as shard:
            for images in chunks:
                shard.write(images)


def rows_of(columns: dict[str, np.ndarray], part: slice | np.ndarray) -> dict[str, np.ndarray]:
    """Return rows of a catalogue."""
    return {name: values[part] for name, values in columns.items()}


def largest_difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Return the largest between images (..., H, W), in units of the peak of each."""
    return float((np.abs(theirs - ours).max((-2, -1)) / ours.max((-2, -1))).max())


def require_same_images(differences: dict[str, float]) -> None:
    """End the program if codes that were given the same sub-pixels draw different images."""
    for peer, difference in differences.items():
        if not difference < AGREEMENT:
            sys.exit(f"{peer} draws another image: they differ by {difference:.1e} of the peak")
