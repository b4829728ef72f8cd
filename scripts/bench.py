"""Measure the speed of simulation, training and prediction, beside peers and the machine's limit.

Writes the rows of this machine into a table (benchmarks/README.md says how to read it) and draws
it. On the CPU everything is one thread's, and time is CPU time, so that other work on the machine
counts little; on a GPU it is wall time, and four threads draw subhaloes ahead. A peer that is not
installed is left out.
"""

import argparse
import contextlib
import io
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # of the peers' libraries too, before they are loaded

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402

from lenscnn.core import storage  # noqa: E402
from lenscnn.core.devices import has_amx, resolve_device  # noqa: E402
from lenscnn.instrument.survey import FWHM  # noqa: E402
from lenscnn.lensing import lenstronomy_reference  # noqa: E402
from lenscnn.nn import layers  # noqa: E402
from lenscnn.nn import train as training  # noqa: E402
from lenscnn.nn.network import EVALUATION_BATCH, build, count_parameters, evaluate  # noqa: E402
from lenscnn.nn.operations import network_flop  # noqa: E402
from lenscnn.papers.paper import compose_training  # noqa: E402
from lenscnn.papers.pearson2019 import images as exposures  # noqa: E402
from lenscnn.papers.pearson2019.scene import render_scene  # noqa: E402
from lenscnn.papers.registry import make_papers  # noqa: E402
from lenscnn.papers.scutt import images as simulation  # noqa: E402
from lenscnn.papers.scutt import population as scutt  # noqa: E402
from lenscnn.plotting.speed import plot  # noqa: E402
from lenscnn.records import speed  # noqa: E402
from lenscnn.records.speed import gaussian_source_flop, sersic_galaxies_flop, update  # noqa: E402

ROOT = Path(__file__).parents[1]
ROUNDS = 5

N_SUBHALOES, ALPHA = 450, -2.13  # where the power law puts some 450 subhaloes into a lens
N_CANDIDATES = 30_000  # lenses drawn, of which those with exactly N_SUBHALOES are kept
REPEATS = 4  # of these, so that opening a file counts little
N_THEIRS = 4  # images a round of the slow peers
N_SYSTEMS = 512
EQUAL, FINE = 3, 10  # sub-pixels along an axis: in every code, and of lenstronomy for accuracy
AGREEMENT = 1e-4  # of the peak, that images of the same sub-pixels may differ by
N_SIMULATED_ON_GPU = {"scutt": 100_000, "pearson2019": 5_000}

# The config key `training.autocast`, by what a stage's name says of it. A GPU does float32 twice:
# by torch's convolutions, as the workflow does, and by Fourier transforms.
FOURIER = ", Fourier"
VARIANTS = {
    "cpu": {"": "float32"} | ({", bfloat16": "bfloat16"} if has_amx() else {}),
    "cuda": {"": "float32", FOURIER: "float32", ", tf32": "tf32", ", bfloat16": "bfloat16"},
}

# Paper and name of a network, what to call it, images a round on the CPU (a second's work) for
# training and for prediction, seconds an image took the paper and its words for it.
NETWORKS = (
    ("scutt", "n_cnn", "N-CNN", 256, 512, 7200 / 1e7, "2 h for 100 x 100,000"),
    ("scutt", "alpha_cnn", "alpha-CNN", 512, 2048, 7200 / 1e7, "2 h for 100 x 100,000"),
    ("pearson2019", "cnn", "CNN", 128, 256, 1200 / 3e6, "20 min for 150 x 20,000"),
)
# On a GPU: images of a training set, as in the workflow, and of a prediction.
N_GPU = {"scutt": 100_000, "pearson2019": 50_000}
REPEATS_GPU = 10  # of the machine's arithmetic, so that clocks are up and launching counts little

config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
papers = make_papers(config | {"seed": 1})


class Machine:
    """A device to measure on: its clock, its names and its rate of arithmetic."""

    def __init__(self, device: torch.device):
        self.device = device
        if device.type == "cpu":
            self.clock = time.process_time
            name = f"{cpu_model()}, {torch.backends.cpu.get_cpu_capability()}, one thread"
            unit = "images per CPU-second"
        else:
            self.clock, name, unit = time.perf_counter, torch.cuda.get_device_name(), "images per s"
        self.place = {"device": device.type, "machine": name, "unit": unit}

    def rate(self, n: float, function: Callable, *arguments) -> float:
        """`n` over the seconds that a call takes."""
        begun = self.clock()
        function(*arguments)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return n / (self.clock() - begun)

    def arithmetic(self, precision: str) -> dict[str, Callable[[], float]]:
        """Return operations per second in a matrix product and in a convolution.

        Both, since either may be the faster: they are of different libraries.
        """
        on_cpu = self.device.type == "cpu"
        side, width, repeats = (1024, 32, 1) if on_cpu else (8192, 256, REPEATS_GPU)
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        matrix = torch.rand((side, side), device=self.device, dtype=dtype)
        out = torch.empty_like(matrix)
        layer = torch.nn.Conv2d(64, 64, 5, padding=2).to(self.device, dtype)
        pixels = torch.rand((width, 64, 28, 28), device=self.device, dtype=dtype)
        layer.to(memory_format=torch.channels_last)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        n_conv = 2 * 64 * 64 * 25 * pixels[:, 0].numel()

        def multiply():
            for _ in range(repeats):
                torch.mm(matrix, matrix, out=out)

        def convolve():
            with torch.no_grad():
                for _ in range(repeats):
                    layer(pixels)

        def fastest(n, function):
            with all_allowed(tf32=precision == "tf32"):
                return self.rate(repeats * n, function)

        return {
            "matmul": lambda: fastest(2 * side**3, multiply),
            "convolution": lambda: fastest(n_conv, convolve),
        }


@contextlib.contextmanager
def all_allowed(tf32: bool):
    """Let cuDNN choose by timing; with `tf32` matrix products round as convolutions do."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32
    convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32 = True, tf32, tf32
    try:
        yield
    finally:
        convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32 = before


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def installed(name: str) -> str | None:
    """Name and version of a package, None (and a line) if it is not there."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        print(f"{name} is not installed: left out", flush=True)
        return None


def contest(contestants: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Rates of all by round, after one that warms them up."""
    rounds = [{name: rate() for name, rate in contestants.items()} for _ in range(ROUNDS + 1)]
    return {name: [one[name] for one in rounds[1:]] for name in contestants}


def rows(stage, machine, flop, rates, peers, differences=None, stated=None) -> list[dict]:
    """Make a row for each peer, of the rates in a contest and of what the paper states."""
    floors = rates["matmul"], np.maximum(rates["matmul"], rates["convolution"])
    common = stage, machine.place, rates["ours"], flop, *floors
    table = [speed.row(*common, peer, rates[peer], (differences or {}).get(peer, math.nan))
             for peer in peers]  # fmt: skip
    if stated is not None:
        table.append(speed.row(*common, f"the paper: {stated[1]}", 1 / stated[0]))
    for one in table or [speed.row(*common)]:
        print(f"{one['stage']:52s} {one['ours']:10,.1f}   {one['ratio']:8.2f} x {one['peer']}   "
              f"{one['of_floor']:.2f} of the floor", flush=True)  # fmt: skip
    return table or [speed.row(*common)]


def into_shard(n: int, shape: tuple, chunks: Iterable[np.ndarray]) -> None:
    """Draw images chunk by chunk into a file, as the workflow does."""
    with tempfile.TemporaryDirectory() as folder:
        with storage.ImageWriter(
            Path(folder) / "shard.h5", {"index": np.arange(n)}, shape, {}
        ) as shard:
            for images in chunks:
                shard.write(images)


def rows_of(columns: dict[str, np.ndarray], part: slice | np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[part] for name, values in columns.items()}


def largest_difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Between images (..., H, W), in units of the peak of each."""
    return float((np.abs(theirs - ours).max((-2, -1)) / ours.max((-2, -1))).max())


def same_images(differences: dict[str, float]) -> None:
    """End the program if codes that were given the same sub-pixels draw different images."""
    for peer, difference in differences.items():
        if not difference < AGREEMENT:
            sys.exit(f"{peer} draws another image: they differ by {difference:.1e} of the peak")


def scutt_rows(machine: Machine) -> list[dict]:
    """From catalogued lenses to a file of noisy images, drawing subhaloes on the way.

    The peers are given the subhaloes and draw the noise-free images alone, so that ratios to them
    are lower bounds.
    """
    population, view = papers["scutt"].population_spec("fixed"), papers["scutt"].view_spec("fixed")
    if machine.device.type == "cpu":
        drawn = scutt.draw_lenses(population, "benchmark", np.arange(N_CANDIDATES), ALPHA)
        exact = np.flatnonzero(drawn["N"] == N_SUBHALOES)
        lenses = rows_of(drawn, np.tile(exact, REPEATS))
    else:
        index = np.arange(N_SIMULATED_ON_GPU["scutt"])
        lenses = scutt.draw_lenses(population, "benchmark", index, None)
    n = len(lenses["N"])

    def ours():
        chunks = simulation.simulate_in_chunks(population, view, lenses, machine.device)
        into_shard(n, (1, view["n_pix"], view["n_pix"]), chunks)

    peers, differences = {}, {}
    if machine.device.type == "cpu":
        few = rows_of(lenses, slice(N_THEIRS))
        _, x, y, theta_E, bounds = scutt.draw_subhaloes(population, few)
        edges = zip(bounds[:-1], bounds[1:], strict=True)
        halos = [(x[a:b], y[a:b], theta_E[a:b]) for a, b in edges]
        source = {"sigma": view["source_sigma"], "center_x": 0.0, "center_y": 0.0}
        camera = view["n_pix"], view["pixel_scale"], view["supersampling"], view["psf_sigma"]
        if peer := installed("lenstronomy"):
            peers[peer] = lambda: np.stack([
                lenstronomy_reference.image(rows_of(few, k), halos[k], source, *camera)
                for k in range(N_THEIRS)
            ])  # fmt: skip
        if peer := installed("caustics"):
            import bench_caustics

            peers[peer] = lambda: bench_caustics.scutt_images(few, halos, view)
        truth = simulation.scene(population, view, few)[:, 0].numpy()
        differences = {peer: largest_difference(draw(), truth) for peer, draw in peers.items()}
        same_images(differences)
    contestants = {"ours": lambda: machine.rate(n, ours)} | {
        name: lambda images=images: machine.rate(N_THEIRS, images) for name, images in peers.items()
    }
    rates = contest(contestants | machine.arithmetic("float32"))
    flop = gaussian_source_flop(view["n_pix"], float(np.mean(lenses["N"])))
    stage = f"simulation: scutt, {np.mean(lenses['N']):.0f} subhaloes"
    return rows(stage, machine, flop, rates, peers, differences, (14400 / 1e5, "4 h for 100,000"))


def systems(n: int, bands: list[str]) -> dict[str, np.ndarray]:
    """Catalogued lenses within the ranges of what Euclid detects, de Vaucouleurs-like."""
    rng = np.random.default_rng(1)
    n_sersic = papers["pearson2019"].config["population"]["n_sersic"]
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
    """Mass, source and lens light with the names that the peers' scenes have for them."""
    lens = {name: lenses[name] for name in ("theta_E", "q", "phi", "center_x", "center_y")}
    light = {
        galaxy: {name: lenses[f"{galaxy}_{name}"] for name in ("R_sersic", "n_sersic", "q", "phi")}
        | {"center_x": lens["center_x"], "center_y": lens["center_y"]}
        for galaxy in ("source", "lens")
    }
    light["source"]["center_x"] = lens["center_x"] + lenses["source_x"]
    light["source"]["center_y"] = lens["center_y"] + lenses["source_y"]
    return [lens, light["source"], light["lens"]]


def pearson2019_rows(machine: Machine, camera: str) -> list[dict]:
    """From catalogued lenses to a file of images in all bands, lens light kept.

    The peers draw lensed source and lens light without noise, once for all bands, which differ by
    factors: ratios are lower bounds.
    """
    config, survey = papers["pearson2019"].config, papers["pearson2019"].survey_of(camera)
    bands = config["cameras"][camera]["bands"]
    view = {"bands": bands, "visits": 1, "lens_light": "kept"}
    on_cpu = machine.device.type == "cpu"
    n = N_SYSTEMS if on_cpu else N_SIMULATED_ON_GPU["pearson2019"]
    lenses = systems(n, bands)
    few = {"lenstronomy": rows_of(lenses, slice(N_THEIRS)), "caustics": rows_of(lenses, slice(16))}
    scenes = {
        "": config["scene"],
        f", {EQUAL} x {EQUAL} sub-pixels": {"supersampling": EQUAL, "tolerance": math.inf},
    }
    optics = survey["n_pix"], survey["pixel_scale"]
    psf_sigma = survey["seeing"] / FWHM

    def theirs(code: str, sub: int) -> np.ndarray:
        parts = galaxies_of(few[code])
        if code == "caustics":
            import bench_caustics

            return bench_caustics.galaxy_images(*parts, *optics, sub, psf_sigma)
        return np.stack([
            lenstronomy_reference.galaxy_images(
                *(rows_of(part, k) for part in parts), *optics, sub, psf_sigma
            )
            for k in range(N_THEIRS)
        ])  # fmt: skip

    codes = {code: name for code in few if on_cpu and (name := installed(code))}
    table = []
    for words, scene in scenes.items():
        population = {"seed": 1, "draw": "benchmark", "survey": survey, "scene": scene}

        def ours(population=population):
            chunks = exposures.images_in_chunks(
                population, "benchmark", view, lenses, machine.device
            )
            into_shard(n, (len(bands), survey["n_pix"], survey["n_pix"]), chunks)

        peers = {f"{name}, {EQUAL} x {EQUAL}": (code, EQUAL) for code, name in codes.items()}
        if scene is config["scene"] and "lenstronomy" in codes:
            peers[f"{codes['lenstronomy']}, {FINE} x {FINE}"] = "lenstronomy", FINE
        differences = {}
        for peer, (code, sub) in peers.items():
            images = render_scene(survey, scene, few[code], with_lens_light=True)[:2]
            differences[peer] = largest_difference(theirs(code, sub), torch.cat(images, 1).numpy())
        if scene is not config["scene"]:  # which is finer than a peer's even grid
            same_images(differences)
        contestants = {"ours": lambda draw=ours: machine.rate(n, draw)} | {
            peer: lambda run=run: machine.rate(len(few[run[0]]["q"]), theirs, *run)
            for peer, run in peers.items()
        }
        rates = contest(contestants | machine.arithmetic("float32"))
        flop = sersic_galaxies_flop(survey["n_pix"], scene["supersampling"], len(bands))
        stage = f"simulation: pearson2019, {len(bands)} band{'s' * (len(bands) > 1)}{words}"
        table += rows(stage, machine, flop, rates, peers, differences)
    return table


class Keras:
    """The process of bench_keras.py."""

    def __init__(self):
        self.peer = f"Keras {version('keras')}, TensorFlow {version('tensorflow-cpu')}"
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("bench_keras.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )  # fmt: skip

    def run(self, **job) -> dict:
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def network_rows(machine: Machine, keras: Keras | None, paper, name, words, *rest) -> list[dict]:
    """Training and prediction of one network, on images in memory."""
    n_training, n_prediction, *stated = rest
    config = papers[paper].config
    camera = config["views"]["fixed"] if paper == "scutt" else config["surveys"]["euclid"]
    shape = 1, camera["n_pix"], camera["n_pix"]
    settings = compose_training(config, name, config["training"]["seeds"][0], "random")
    on_gpu = machine.device.type == "cuda"
    if on_gpu:
        n_images = n_prediction = N_GPU[paper]
        n_training = n_images - round(settings["validation_fraction"] * n_images)
    else:  # as good as none to validate on, for Keras has none
        n_images = n_training + 1
        settings["validation_fraction"] = 1 / n_images
    rng = np.random.default_rng(1)
    table = []
    for suffix, autocast in VARIANTS[machine.device.type].items():
        layers.FOURIER_DEVICES = {"cpu", "cuda"} if suffix == FOURIER else {"cpu"}
        spec = settings | {"autocast": autocast, "epochs": ROUNDS + 1}
        network = build(spec, shape).to(machine.device)
        flop, training_flop = network_flop(spec, shape)
        arithmetic = machine.arithmetic(autocast)
        job = {"name": name, "spec": spec, "image_shape": shape}
        if keras is not None:
            answer = keras.run(task="prediction", n=16, batch=16, **job)
            if answer["parameters"] != count_parameters(network):
                sys.exit(f"Keras' {name} has {answer['parameters']} parameters, another network")

        def peer(task, n, job=job):
            batch = EVALUATION_BATCH["cpu"]
            return {keras.peer: lambda: keras.run(task=task, n=n, batch=batch, **job)["rate"]}

        # Keras trains in float32.
        peers = peer("training", n_training) if keras and autocast == "float32" else {}
        counts = n_training, n_images
        rates = training_contest(machine, spec, shape, counts, peers | arithmetic)
        stage = f"training: {words}, batch {spec['batch_size']}{suffix}"
        table += rows(stage, machine, training_flop, rates, peers, stated=stated)
        if autocast == "bfloat16":
            continue  # which predicts as tf32 does on a GPU, as float32 on a CPU

        torch.backends.cudnn.benchmark = False  # as in scripts/predict.py; training turned it on
        images = torch.from_numpy(rng.random((n_prediction, *shape), np.float32))
        extra = torch.from_numpy(rng.random((n_prediction, len(spec["scalars"])), np.float32))
        inputs = network, images, extra if spec["scalars"] else None, machine.device
        peers = {} if keras is None else peer("prediction", n_prediction)
        ours = {"ours": lambda run=inputs: machine.rate(n_prediction, evaluate, *run)}
        rates = contest(ours | peers | arithmetic)
        table += rows(f"prediction: {words}{suffix}", machine, flop, rates, peers)
    return table


def training_contest(machine, spec, shape, counts, others) -> dict[str, list[float]]:
    """As `contest`, with ours the epochs of one training, between which the others take turns.

    `counts` are of the images that are trained on and of all, those to validate on included.
    """
    rng = np.random.default_rng(1)
    n, n_all = counts
    images = rng.random((n_all, *shape), np.float32)
    targets = rng.random((n_all, len(spec["targets"])))
    scalars = rng.random((n_all, len(spec["scalars"]))) if spec["scalars"] else None
    rates = {"ours": [], **{name: [] for name in others}}
    begun = machine.clock()

    def turn(_):
        nonlocal begun
        rates["ours"].append(n / (machine.clock() - begun))
        for name, rate in others.items():
            rates[name].append(rate())
        begun = machine.clock()

    training.CHECKPOINT_SECONDS = math.inf  # the others' turns must not count
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        training.train(  # which logs each epoch where no bar can be drawn
            spec, images, targets, scalars, device=machine.device, log=turn,
            checkpoint=Path(folder) / "checkpoint", history=Path(folder) / "history",
        )  # fmt: skip
    return {name: values[1:] for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="CSV file to update")
    parser.add_argument("--plot", type=Path, required=True, help="PNG file to write")
    parser.add_argument(
        "--devices", nargs="+", choices=("cpu", "cuda"),
        default=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"],
    )  # fmt: skip
    parser.add_argument(
        "--parts", nargs="+", choices=("networks", "simulation"), default=["networks", "simulation"]
    )
    arguments = parser.parse_args()
    for name in arguments.devices:
        machine = Machine(resolve_device(name))
        torch.set_num_threads(1 if name == "cpu" else 4)  # as the rule `simulate`
        parts = []
        if "networks" in arguments.parts:
            keras = Keras() if name == "cpu" and installed("tensorflow-cpu") else None
            parts += [partial(network_rows, machine, keras, *network) for network in NETWORKS]
        if "simulation" in arguments.parts:
            parts.append(partial(scutt_rows, machine))
            parts += [partial(pearson2019_rows, machine, camera) for camera in ("vis", "gri")]
        for part in parts:  # written one by one: a run cut short keeps what it has
            plot(update(arguments.table, part()), arguments.plot)


if __name__ == "__main__":
    main()
