"""Training: one loop for every network, resumable, the same on CPU and GPU."""

import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lenscnn.core import devices, weights
from lenscnn.nn.checkpoint import identify, read_checkpoint
from lenscnn.nn.cuda_graphs import capture_steps, split_into_blocks, warm_up
from lenscnn.nn.data import TrainingData, prepare_data
from lenscnn.nn.history import describe, list_rmses, make_record, write_history
from lenscnn.nn.mirrors import RandomMirrors
from lenscnn.nn.network import build, evaluate
from lenscnn.nn.optimizers import learning_rate_at, make_optimizer, set_learning_rate
from lenscnn.nn.spec import check_spec
from lenscnn.rng.streams import stream_key

CHECKPOINT_SECONDS = 20.0
"""Shortest time between checkpoints, so about what a killed training of short epochs loses."""


@dataclass(frozen=True)
class Trained:
    """What a training gives.

    Attributes
    ----------
    state_dict
        Weights of the best epoch, on the CPU.
    best_epoch
        Counted from 1: the one with the smallest validation loss.
    scaling
        (minimum, maximum) of each target and scalar over the rows trained on.
    history
        One dict an epoch, as in the history file.
    """

    state_dict: dict[str, torch.Tensor]
    best_epoch: int
    scaling: dict[str, tuple[float, float]]
    history: list[dict]


def train(
    spec: dict,
    images: np.ndarray,
    targets: np.ndarray,
    scalars: np.ndarray | None,
    *,
    device: torch.device,
    checkpoint: Path,
    history: Path,
    log: Callable[[str], None] = print,
) -> Trained:
    """Train a network.

    After an epoch (not oftener than every `CHECKPOINT_SECONDS`, and after the last) everything the
    rest of the training depends on is written to `checkpoint`; a later call with the same spec,
    data and kind of device goes on from there, and on the same kind of CPU with the same number of
    threads ends with the same bits as if it had never stopped. A checkpoint of another training,
    or a damaged one, is put aside under a name that gives the reason, with a line in the log. The
    caller removes the checkpoint once the result is safe.

    On a GPU the data stay on the device and steps are replayed from CUDA graphs,
    `cuda_graphs.GRAPH_STEPS` at a time and what whole batches are left one by one, so that small
    batches are not limited by launching kernels; an epoch's last, smaller batch is stepped without
    a graph. Same computation, not the same bits.

    Parameters
    ----------
    spec
        See `nn.spec`.
    images : ndarray of float32, shape (n, C, H, W)
        As the network sees them (`data.load_normalised`).
    targets : ndarray, shape (n, n_targets)
        In physical units, columns as in ``spec["targets"]``.
    scalars : ndarray, shape (n, n_scalars), or None
        In physical units, columns as in ``spec["scalars"]``; None if that is empty.
    device
        Where to compute.
    checkpoint
        File for the checkpoint; need not exist.
    history
        File to write: one JSON object a line and epoch, with ``epoch``, ``train_loss`` and
        ``validation_loss`` (scaled units), ``validation_rmse`` (physical units, by target),
        ``learning_rate`` (of the first step), ``seconds`` (of the epoch), ``images_per_second``
        (of its training) and ``device``.
    log
        Called with each line for the reader.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        If the spec or the data do not make a training.
    FloatingPointError
        If the loss stops being finite.
    OSError
        If a checkpoint is there and the system does not hand it over. It is left as it is: a later
        call may go on from it.
    """
    check_spec(spec)
    devices.set_precision(spec["autocast"])
    data = prepare_data(spec, images, targets, scalars, device)
    training = _Training(spec, data)
    if training.precision != spec["autocast"]:
        log(f"trains in {training.precision}: {spec['autocast']} is no gain on this processor")
    identity = identify(spec, data, images, training.precision)
    if (state := read_checkpoint(checkpoint, identity, log)) is not None:
        training.restore(state)
        log(f"goes on after epoch {len(training.records)} from {checkpoint}")
    records = training.records
    write_history(history, records)
    training.prepare_steps()

    saved = began = time.monotonic()
    resumed_after = len(records)
    with devices.flush_subnormals(), _progress_bar(spec, data.n_train, len(records)) as bar:
        while not training.is_over():
            training.run_epoch(bar)
            if training.is_over() or time.monotonic() - saved >= CHECKPOINT_SECONDS:
                weights.save(checkpoint, identity | training.state())
                saved = time.monotonic()
            write_history(history, records)
            if bar.disable:
                per_epoch = (time.monotonic() - began) / (len(records) - resumed_after)
                log(describe(records[-1], spec, per_epoch))
            bar.set_postfix(RMSE=list_rmses(records[-1]), best=training.best["epoch"])
    if len(records) < spec["epochs"]:
        log(
            f"stops after epoch {len(records)}: the validation loss has not fallen below that of "
            f"epoch {training.best['epoch']} for {spec['patience']} epochs"
        )
    best = training.best
    return Trained(best["state_dict"], best["epoch"], data.scaling, records)


class _Training:
    """A network, its optimizer and its data between two epochs.

    Attributes
    ----------
    precision
        Of the convolutions in training.
    records
        One dict an epoch (`history.make_record`).
    best
        ``epoch``, ``loss`` and ``state_dict`` of the smallest validation loss so far.
    """

    def __init__(self, spec: dict, data: TrainingData):
        self.spec, self.data, self.device = spec, data, data.images.device
        self.precision = devices.training_precision(spec["autocast"], self.device)
        self.batch_size = min(spec["batch_size"], data.n_train)
        self.steps_per_epoch = -(-data.n_train // self.batch_size)
        self.mirrors = None
        if spec["mirror"]:
            self.mirrors = RandomMirrors(
                spec["targets"], spec["label_range"], data.scaling, data.n_train, self.device
            )
        torch.manual_seed(stream_key(spec["seed"], "training", "", "weights"))
        _, channels, height, width = data.images.shape
        self.network = build(spec, (channels, height, width)).to(self.device)
        self.on_gpu = self.device.type == "cuda"
        # On a GPU the rate is a number on the device, which graphs read at each replay.
        rate = spec["learning_rate"]
        self.graph_learning_rate = torch.tensor(rate, device=self.device) if self.on_gpu else rate
        self.optimizer = make_optimizer(spec, self.network, self.graph_learning_rate, self.on_gpu)
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        self.records, self.best = [], {"epoch": 0, "loss": math.inf, "state_dict": None}
        if self.on_gpu:
            torch.backends.cudnn.benchmark = True  # shapes never change: let it choose by timing
            warm_up(self.step, self.network, self.optimizer, self.batch_size, self.device)

    def step(self, rows: torch.Tensor) -> None:
        """Take one batch: forward, backward, optimizer. It reads nothing back, so nothing waits."""
        data = self.data
        self.optimizer.zero_grad(set_to_none=True)
        inputs, targets = data.images.index_select(0, rows), data.targets.index_select(0, rows)
        if self.mirrors is not None:
            inputs, targets = self.mirrors.apply(rows, inputs, targets)
        scalars = None if data.scalars is None else data.scalars.index_select(0, rows)
        with _autocast(self.precision, self.device):
            outputs = self.network(inputs, scalars)
        loss = nn.functional.mse_loss(outputs, targets)
        loss.backward()
        self.optimizer.step()
        self.loss_sum.add_(loss.detach() * len(rows))

    def step_at(self, rows: torch.Tensor, rates) -> None:
        """Take one batch with the learning rate that `rates` holds."""
        set_learning_rate(self.optimizer, rates[0])
        self.step(rows)

    def prepare_steps(self) -> None:
        """Choose how many batches a call steps; on a GPU capture them.

        Graphs are bound to the tensors that they were captured with, so this is after a checkpoint
        is restored.
        """
        self.network.train()
        self.steppers = {self.batch_size: self.step_at}
        if self.on_gpu:
            self.steppers = capture_steps(
                self.step, self.graph_learning_rate, self.batch_size, self.device
            )

    def state(self) -> dict:
        """Return everything that the rest of the training depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.records,
            "best": self.best,
        }

    def restore(self, state: dict) -> None:
        """Go back to where `state` was taken."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.param_groups[0]["lr"] = self.graph_learning_rate
        self.records, self.best = state["history"], state["best"]

    def is_over(self) -> bool:
        """Return whether all epochs are done, or validation has stopped falling."""
        epoch, spec = len(self.records), self.spec
        if epoch >= spec["epochs"]:
            return True
        return spec["patience"] is not None and epoch - self.best["epoch"] >= spec["patience"]

    def run_epoch(self, bar: tqdm) -> None:
        """Train on each image once, validate, and write down how it went."""
        epoch, started = len(self.records) + 1, time.monotonic()
        learning_rate, train_loss = self._train_epoch(epoch, bar)
        trained = time.monotonic()
        losses = self._validate()
        finished = time.monotonic()
        record = make_record(
            self.spec, epoch, train_loss, losses, self.data.scaling, learning_rate=learning_rate,
            seconds=round(finished - started, 3),
            images_per_second=round(self.data.n_train / (trained - started), 1),
            device=devices.device_name(self.device),  # a resumed training may go on on another
        )  # fmt: skip
        self._check_finite(record)
        self.records.append(record)
        if record["validation_loss"] < self.best["loss"]:
            weights_now = {
                key: tensor.detach().to("cpu", copy=True)
                for key, tensor in self.network.state_dict().items()
            }
            self.best = {
                "epoch": epoch, "loss": record["validation_loss"], "state_dict": weights_now
            }  # fmt: skip

    def _train_epoch(self, epoch: int, bar: tqdm) -> tuple[float, float]:
        """Train on each image once; return the first step's learning rate and the mean loss."""
        spec, n_train = self.spec, self.data.n_train
        self.network.train()
        self.loss_sum.zero_()
        before = (epoch - 1) * self.steps_per_epoch
        rates = [
            learning_rate_at(spec, before + k, self.steps_per_epoch)
            for k in range(self.steps_per_epoch)
        ]
        first_rate = rates[0]
        if self.on_gpu:
            rates = torch.tensor(rates, device=self.device)
        # Order, mirrors and dropout depend on seed and epoch only, so a resumed training repeats
        # none.
        order = torch.Generator().manual_seed(
            stream_key(spec["seed"], "training", str(epoch), "order")
        )
        torch.manual_seed(stream_key(spec["seed"], "training", str(epoch), "dropout"))
        if self.mirrors is not None:
            self.mirrors.draw(order)
        shuffled = torch.randperm(n_train, generator=order).to(self.device)
        steps = 0
        for rows in split_into_blocks(shuffled, self.steppers):
            n_steps = -(-len(rows) // self.batch_size)
            take = self.steppers.get(len(rows), self.step_at)
            take(rows, rates[steps : steps + n_steps])
            steps += n_steps
            bar.update(len(rows))
        return first_rate, self.loss_sum.item() / n_train  # the one place that waits for a GPU

    def _validate(self) -> dict[str, float]:
        """Return the mean squared error of each target on the rows not trained on."""
        data, n_train = self.data, self.data.n_train
        scalars = None if data.scalars is None else data.scalars[n_train:]
        outputs = evaluate(self.network, data.images[n_train:], scalars, self.device)
        errors = outputs - data.exact_targets[n_train:]
        names = self.spec["targets"]
        return {name: float(np.mean(errors[:, k] ** 2)) for k, name in enumerate(names)}

    def _check_finite(self, record: dict) -> None:
        losses = record["train_loss"], record["validation_loss"]
        if not all(map(math.isfinite, losses)):
            raise FloatingPointError(
                f"the loss is not finite in epoch {record['epoch']} (training {losses[0]}, "
                f"validation {losses[1]}): lower `learning_rate` (it is "
                f"{record['learning_rate']:.3g})"
                + (", or set `autocast: float32`" if self.spec["autocast"] != "float32" else "")
            )


def _progress_bar(spec: dict, n_train: int, done: int) -> tqdm:
    return tqdm(
        total=spec["epochs"] * n_train,
        initial=done * n_train,
        unit="img",
        unit_scale=True,
        desc=f"training for {', '.join(spec['targets'])}",
        disable=not sys.stderr.isatty(),
    )


def save_network(
    path, trained: Trained, spec: dict, image_shape: tuple[int, int, int], origin: dict[str, str]
) -> None:
    """Write the weights of a training with all that using them takes.

    Parameters
    ----------
    path
        File to write; appears only when complete. `predict.load_network` reads it.
    trained
        From `train`.
    spec
        What it was trained with.
    image_shape
        (C, H, W).
    origin
        From `records.provenance.collect`.

    Raises
    ------
    DataFileError
        If it cannot be written.
    """
    contents = {
        "state_dict": trained.state_dict,
        "spec": spec,
        "image_shape": tuple(image_shape),
        "scaling": trained.scaling,
        "best_epoch": trained.best_epoch,
        "provenance": origin,
    }
    weights.save(path, contents)


def _autocast(precision: str, device: torch.device):
    if precision == "bfloat16":
        # No cache of cast weights: captured in a graph it would outlive the weights' updates.
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()
