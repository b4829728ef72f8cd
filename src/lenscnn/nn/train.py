"""Training: one loop for every network, resumable, the same on CPU and GPU."""

import contextlib
import json
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

from lenscnn.core import devices, storage, weights
from lenscnn.nn.checkpoint import code_digest, digest_of_data, read_checkpoint
from lenscnn.nn.cuda_graphs import capture_steps, split_into_blocks, warm_up
from lenscnn.nn.data import MIRRORED, extremes, mirror, mirrored_signs, scale
from lenscnn.nn.network import build, evaluate
from lenscnn.nn.optimizers import learning_rate_at, make_optimizer, set_learning_rate
from lenscnn.nn.spec import check_spec, count_training_rows
from lenscnn.records import provenance
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

    On a GPU the data stay on the device and steps are replayed from CUDA graphs, `UNROLLED` at a
    time and what whole batches are left one by one, so that small batches are not limited by
    launching kernels; an epoch's last, smaller batch is stepped without a graph. Same computation,
    not the same bits; a learning rate that changes step by step changes once a replay.

    Parameters
    ----------
    spec
        See this module.
    images : ndarray of float32, shape (n, C, H, W)
        As the network sees them (`load_normalised`).
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
        ``learning_rate`` (of the first step), ``seconds`` (of the epoch) and ``images_per_second``
        (of its training).
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
    precision = devices.training_precision(spec["autocast"], device)
    if precision != spec["autocast"]:
        log(f"trains in {precision}: {spec['autocast']} is no gain on this processor")
    n_train = count_training_rows(spec, len(images))
    batch_size = min(spec["batch_size"], n_train)
    names, n_targets = [*spec["targets"], *spec["scalars"]], len(spec["targets"])
    columns = np.column_stack([targets] if scalars is None else [targets, scalars])
    if columns.shape != (len(images), len(names)):
        raise ValueError(
            f"{len(images)} images need {len(images)} rows of {names}, not {columns.shape}"
        )
    scaling = {n: extremes(columns[:n_train, k], n) for k, n in enumerate(names)}
    scaled = np.column_stack([scale(columns[:, k], scaling[n]) for k, n in enumerate(names)])
    scaled[:, :n_targets] *= spec["label_range"]

    # Everything on the device at once: images stay float32 (1.4 GB for 100,000 of 60x60), which
    # is exact and small beside the memory of any GPU that one would train on.
    pixels = torch.from_numpy(images).to(device)
    labels = torch.from_numpy(scaled.astype(np.float32)).to(device)
    goals = labels[:, :n_targets]
    extras = labels[:, n_targets:] if spec["scalars"] else None
    if spec["mirror"]:
        # Which mirrors each image meets; drawn anew in every epoch.
        mirrors = torch.zeros((n_train, 3), dtype=torch.bool, device=device)
        signs = torch.tensor([MIRRORED[name] for name in spec["targets"]], device=device)
        zeros = torch.tensor(
            [float(scale(0.0, scaling[name])) * spec["label_range"] for name in spec["targets"]],
            device=device,
        )

    torch.manual_seed(stream_key(spec["seed"], "training", "", "weights"))
    network = build(spec, images.shape[1:]).to(device)
    on_gpu = device.type == "cuda"
    # On a GPU the rate is a number on the device, which graphs read at each replay.
    rate = torch.tensor(spec["learning_rate"], device=device) if on_gpu else spec["learning_rate"]
    optimizer = make_optimizer(spec, network, rate, on_gpu)
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)

    def step(rows: torch.Tensor) -> None:
        """One batch: forward, backward, optimizer. Reads nothing back, so nothing waits."""
        optimizer.zero_grad(set_to_none=True)
        seen, wanted = pixels.index_select(0, rows), goals.index_select(0, rows)
        if spec["mirror"]:
            chosen = mirrors.index_select(0, rows)
            seen = mirror(seen, chosen)
            wanted = zeros + (wanted - zeros) * mirrored_signs(signs, chosen)
        with _autocast(precision, device):
            outputs = network(seen, None if extras is None else extras.index_select(0, rows))
        loss = nn.functional.mse_loss(outputs, wanted)
        loss.backward()
        optimizer.step()
        loss_sum.add_(loss.detach() * len(rows))

    if on_gpu:
        torch.backends.cudnn.benchmark = True  # shapes never change: let it choose by timing
        warm_up(step, network, optimizer, batch_size, device)
    identity = {
        "spec": provenance.canonical_json(spec),
        "data": digest_of_data(images, columns),
        "device": device.type,
        "precision": precision,
        "code": code_digest(),
    }
    records, best = [], {"epoch": 0, "loss": math.inf, "state_dict": None}
    if (state := read_checkpoint(checkpoint, identity, log)) is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        optimizer.param_groups[0]["lr"] = rate
        records, best = state["history"], state["best"]
        log(f"goes on after epoch {len(records)} from {checkpoint}")
    _write_history(history, records)
    network.train()
    # By how many rows it takes. Graphs are bound to the tensors that they were captured with, so
    # this is after a checkpoint is loaded.
    advance = capture_steps(step, batch_size, device) if on_gpu else {batch_size: step}

    bar = tqdm(
        total=spec["epochs"] * n_train,
        initial=len(records) * n_train,
        unit="img",
        unit_scale=True,
        desc=f"training for {', '.join(spec['targets'])}",
        disable=not sys.stderr.isatty(),
    )
    saved = began = time.monotonic()
    resumed_after = len(records)
    steps_per_epoch = -(-n_train // batch_size)
    while not _is_over(spec, len(records), best["epoch"]):
        epoch = len(records) + 1
        started = time.monotonic()
        network.train()
        loss_sum.zero_()
        steps = len(records) * steps_per_epoch
        learning_rate = learning_rate_at(spec, steps, steps_per_epoch)
        # Order, mirrors and dropout depend on seed and epoch only, so a resumed training repeats
        # none.
        order = torch.Generator().manual_seed(
            stream_key(spec["seed"], "training", str(epoch), "order")
        )
        torch.manual_seed(stream_key(spec["seed"], "training", str(epoch), "dropout"))
        if spec["mirror"]:
            mirrors.copy_(torch.randint(2, (n_train, 3), generator=order))
        for rows in split_into_blocks(torch.randperm(n_train, generator=order).to(device), advance):
            set_learning_rate(optimizer, learning_rate_at(spec, steps, steps_per_epoch))
            steps += -(-len(rows) // batch_size)
            advance.get(len(rows), step)(rows)
            bar.update(len(rows))
        train_loss = loss_sum.item() / n_train  # the one place that waits for a GPU
        trained = time.monotonic()
        extra = None if extras is None else extras[n_train:]
        outputs = evaluate(network, pixels[n_train:], extra, device)
        errors = outputs - scaled[n_train:, :n_targets]
        losses = {name: np.mean(errors[:, k] ** 2) for k, name in enumerate(spec["targets"])}
        validation_loss = float(np.mean(list(losses.values())))
        if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
            raise FloatingPointError(
                f"the loss is not finite in epoch {epoch} (training {train_loss}, validation "
                f"{validation_loss}): lower `learning_rate` (it is {learning_rate:.3g})"
                + (", or set `autocast: float32`" if spec["autocast"] != "float32" else "")
            )
        finished = time.monotonic()
        records.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "validation_loss": validation_loss,
                "validation_rmse": {
                    name: math.sqrt(loss) / spec["label_range"] * float(np.ptp(scaling[name]))
                    for name, loss in losses.items()
                },
                "learning_rate": learning_rate,
                "seconds": round(finished - started, 3),
                "images_per_second": round(n_train / (trained - started), 1),
            }
        )
        if validation_loss < best["loss"]:
            best = {
                "epoch": epoch,
                "loss": validation_loss,
                "state_dict": {
                    key: tensor.detach().to("cpu", copy=True)
                    for key, tensor in network.state_dict().items()
                },
            }
        over = _is_over(spec, epoch, best["epoch"])
        if over or finished - saved >= CHECKPOINT_SECONDS:
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            weights.save(checkpoint, identity | state | {"history": records, "best": best})
            saved = time.monotonic()
        _write_history(history, records)
        per_epoch = (finished - began) / (epoch - resumed_after)
        if bar.disable:
            log(_line(records[-1], spec, per_epoch))
        bar.set_postfix(RMSE=_rmses(records[-1]), best=best["epoch"])
    bar.close()
    if len(records) < spec["epochs"]:
        log(
            f"stops after epoch {len(records)}: the validation loss has not fallen below that of "
            f"epoch {best['epoch']} for {spec['patience']} epochs"
        )
    return Trained(best["state_dict"], best["epoch"], scaling, records)


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


def _is_over(spec: dict, epoch: int, best_epoch: int) -> bool:
    """Return whether a training ends after an epoch, counted from 1 (0 before the first)."""
    if epoch >= spec["epochs"]:
        return True
    return spec["patience"] is not None and epoch - best_epoch >= spec["patience"]


def _autocast(precision: str, device: torch.device):
    if precision == "bfloat16":
        # No cache of cast weights: captured in a graph it would outlive the weights' updates.
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()


def _write_history(path: Path, records: list[dict]) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    storage.write_bytes(path, lines.encode())


def _rmses(record: dict) -> str:
    return ", ".join(f"{name} {rmse:.4g}" for name, rmse in record["validation_rmse"].items())


def _line(record: dict, spec: dict, seconds_per_epoch: float) -> str:
    left = round((spec["epochs"] - record["epoch"]) * seconds_per_epoch)
    return (
        f"epoch {record['epoch']}/{spec['epochs']}: loss {record['train_loss']:.3e}, "
        f"validation {record['validation_loss']:.3e} "
        f"(RMSE of {_rmses(record)}), "
        f"{record['images_per_second']:.0f} images/s, "
        f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
    )
