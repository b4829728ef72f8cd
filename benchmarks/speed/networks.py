"""Training and prediction of the networks beside Keras."""

import contextlib
import io
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from machine import ROUNDS, Machine, compare, contest

from lenscnn.core.devices import has_amx
from lenscnn.nn import layers
from lenscnn.nn import train as training
from lenscnn.nn.network import EVALUATION_BATCH, build, count_parameters, evaluate
from lenscnn.nn.operations import network_flop
from lenscnn.papers.paper import Paper, compose_training

# The config key `training.autocast`, by what a stage's name says of it. A GPU does float32 twice:
# by torch's convolutions, as the workflow does, and by Fourier transforms.
FOURIER = ", Fourier"
VARIANTS = {
    "cpu": {"": "float32"} | ({", bfloat16": "bfloat16"} if has_amx() else {}),
    "cuda": {"": "float32", FOURIER: "float32", ", tf32": "tf32", ", bfloat16": "bfloat16"},
}
# On a GPU: images of a training set, as in the workflow, and of a prediction.
N_GPU = {"scutt": 100_000, "pearson2019": 50_000}


class Network(NamedTuple):
    """A network to measure."""

    paper: str
    name: str
    words: str
    """What to call it."""
    n_training: int
    """Images a round on the CPU, a second's work."""
    n_prediction: int
    """The same of prediction."""
    stated: tuple[float, str]
    """Seconds an image took the paper and its words for it."""


NETWORKS = (
    Network("scutt", "n_cnn", "N-CNN", 256, 512, (7200 / 1e7, "2 h for 100 x 100,000")),
    Network("scutt", "alpha_cnn", "alpha-CNN", 512, 2048, (7200 / 1e7, "2 h for 100 x 100,000")),
    Network("pearson2019", "cnn", "CNN", 128, 256, (1200 / 3e6, "20 min for 150 x 20,000")),
)


class Keras:
    """The process of peer_keras.py."""

    def __init__(self):
        self.peer = f"Keras {version('keras')}, TensorFlow {version('tensorflow-cpu')}"
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("peer_keras.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )  # fmt: skip

    def run(self, **job) -> dict:
        """Have a job done and return the answer."""
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def require_parameters(self, n: int, job: dict) -> None:
        """End the program if the network has another number of parameters."""
        answer = self.run(task="prediction", n=16, batch=16, **job)
        if answer["parameters"] != n:
            sys.exit(f"Keras' {job['name']} has {answer['parameters']} parameters, another network")

    def contestant(self, task: str, n: int, job: dict) -> dict[str, Callable[[], float]]:
        """Return what does a task with `n` images and gives images per CPU-second."""
        batch = EVALUATION_BATCH["cpu"]
        return {self.peer: lambda: self.run(task=task, n=n, batch=batch, **job)["rate"]}


def network_rows(
    machine: Machine, keras: Keras | None, paper: Paper, network: Network
) -> list[dict]:
    """Compare training and prediction of a network, on images in memory."""
    config = paper.config
    camera = config["views"]["fixed"] if network.paper == "scutt" else config["surveys"]["euclid"]
    shape = 1, camera["n_pix"], camera["n_pix"]
    settings = compose_training(config, network.name, config["training"]["seeds"][0], "random")
    n_training, n_prediction = network.n_training, network.n_prediction
    if machine.device.type == "cuda":
        n_images = n_prediction = N_GPU[network.paper]
        n_training = n_images - round(settings["validation_fraction"] * n_images)
    else:  # as good as none to validate on, for Keras has none
        n_images = n_training + 1
        settings["validation_fraction"] = 1 / n_images
    rng = np.random.default_rng(1)
    table = []
    for suffix, autocast in VARIANTS[machine.device.type].items():
        layers.FOURIER_DEVICES = {"cpu", "cuda"} if suffix == FOURIER else {"cpu"}
        spec = settings | {"autocast": autocast, "epochs": ROUNDS + 1}
        model = build(spec, shape).to(machine.device)
        flop, training_flop = network_flop(spec, shape)
        arithmetic = machine.arithmetic(autocast)
        job = {"name": network.name, "spec": spec, "image_shape": shape}
        peers = {}
        if keras is not None:
            keras.require_parameters(count_parameters(model), job)
            if autocast == "float32":  # in which Keras trains
                peers = keras.contestant("training", n_training, job)
        counts = n_training, n_images
        rates = training_contest(machine, spec, shape, counts, peers | arithmetic)
        stage = f"training: {network.words}, batch {spec['batch_size']}{suffix}"
        table += compare(stage, machine, training_flop, rates, peers, stated=network.stated)
        if autocast == "bfloat16":
            continue  # which predicts as tf32 does on a GPU, as float32 on a CPU
        peers = keras.contestant("prediction", n_prediction, job) if keras else {}
        images = torch.from_numpy(rng.random((n_prediction, *shape), np.float32))
        extra = torch.from_numpy(rng.random((n_prediction, len(spec["scalars"])), np.float32))
        inputs = model, images, extra if spec["scalars"] else None, machine.device
        rates = prediction_contest(machine, inputs, peers | arithmetic)
        table += compare(f"prediction: {network.words}{suffix}", machine, flop, rates, peers)
    return table


def training_contest(
    machine: Machine, spec: dict, shape: tuple, counts: tuple[int, int], others: dict
) -> dict[str, list[float]]:
    """Return rates as `contest`, with ours of the epochs of a training; others run between them.

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


def prediction_contest(machine: Machine, inputs: tuple, others: dict) -> dict[str, list[float]]:
    """Return rates as `contest`, with ours of `evaluate` on `inputs`."""
    torch.backends.cudnn.benchmark = False  # as in scripts/predict.py; training turned it on
    n = len(inputs[1])
    return contest({"ours": lambda: machine.rate(n, evaluate, *inputs)} | others)
