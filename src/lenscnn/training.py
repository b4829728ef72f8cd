"""Training: one loop for every network, resumable, the same on CPU and GPU.

A training is a function of its spec and its data. The spec is a dict with the keys

``network``
    Architecture, see `lenscnn.networks.build`.
``targets``
    Labels to estimate, one output each, e.g. ["alpha"] or ["theta_E", "e1", "e2"].
``label_range``
    Targets are scaled to [0, label_range]: 1 for scutt, 10 for pearson2019.
``scalars``
    Labels that enter beside the image, e.g. ["N"] or [].
``optimizer``
    "adam" or "nadam".
``learning_rate``, ``batch_size``, ``epochs``
    Largest learning rate, images in a step, and how often each image is seen at most.
``learning_rate_decay``
    "none"; "cosine": epoch k of n has learning_rate (1 + cos(pi (k - 1) / n)) / 2 (Loshchilov
    & Hutter 2017, eq. 5, without restarts); or "linear": step by step the rate rises linearly from
    zero over the first `WARMUP` of all steps and then falls linearly to zero.
``patience``
    The training stops after this many epochs without a smaller validation loss; None: never.
``mirror``
    Whether each image, every time it is seen, is mirrored at random: in x, in y and in the
    diagonal, each or not with equal odds, labels with it (see `MIRRORED`).
``validation_fraction``
    The last rows of the training set, this fraction of it, are not trained on but choose the epoch.
``normalise``
    "image" or "band": whose extremes the images are scaled by (`observation.normalise`).
``seed``
    Of the initial weights, the order of the images and dropout.
``autocast``
    Precision of the convolutions, see `devices.training_precision`. "float32" is what it says. With
    "tf32" a GPU rounds their factors to 10 bits. "bfloat16" trains the convolutional blocks in
    mixed precision; validation and prediction are as with "tf32" on a GPU and in float32 on a CPU.
    Dense layers are always in float32.

``images``
    What the images are, as the one who asks describes them. Kept with the weights, which are
    refused where something else is expected.

The loss is the mean squared error over all scaled targets. Targets and scalars, these to [0, 1],
are scaled by their extremes over the rows trained on. Weights are those of the epoch with the
smallest validation loss.
"""

import contextlib
import hashlib
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lenscnn import devices, fourier, networks, observation, provenance, seeds, storage

OPTIMIZERS = ("adam", "nadam")
DECAYS = ("none", "cosine", "linear")
EPSILON = 1e-7
"""Keras' value (torch has 1e-8); neither paper states another."""

CHECKPOINT_SECONDS = 20.0
"""Shortest time between checkpoints, so about what a killed training of short epochs loses."""

NORMALISE_ROWS = 4096

WARMUP = 0.1
"""Fraction of all steps in which the rate of a "linear" schedule rises."""

UNROLLED = 16
"""Steps in one replay of a CUDA graph: a GPU is expected to wait between two (not measured yet)."""

_KEYS = {
    "network", "targets", "label_range", "scalars", "optimizer", "learning_rate", "batch_size",
    "learning_rate_decay", "mirror", "epochs", "patience", "validation_fraction", "normalise",
    "seed", "autocast", "images",
}  # fmt: skip

MIRRORED = {
    "theta_E": (1, 1, 1),
    "alpha": (1, 1, 1),
    "N": (1, 1, 1),
    "e1": (1, 1, -1),
    "e2": (-1, -1, 1),
}
"""Sign that a label takes when the sky is mirrored in x, in y, in the diagonal x = y.

e1 + i e2 is e exp(2 i phi), where a mirror takes phi to pi - phi, to -phi, to pi / 2 - phi.
"""


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


def load_normalised(shards: list, each: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images as a network sees them (`observation.normalise`), and their labels.

    Parameters
    ----------
    shards
        Files of images, in order.
    each
        "image" or "band", scaled to [0, 1].

    Returns
    -------
    images : ndarray of float32, shape (n, C, H, W)
    labels : dict of ndarray, shape (n,)

    Raises
    ------
    DataFileError
        As `storage.load_images`.
    """
    images, labels, _ = storage.load_images(shards)
    for start in range(0, len(images), NORMALISE_ROWS):  # in place: the set is held once
        chunk = torch.from_numpy(images[start : start + NORMALISE_ROWS])
        chunk.copy_(observation.normalise(chunk, each))
    return images, labels


def check_origin(shards: list, images: dict) -> None:
    """Compare what shards say of their images with what is expected of them.

    Parameters
    ----------
    shards
        Files of images.
    images
        Spec of the images, of which ``n`` is their number; from that of a training or a prediction.

    Raises
    ------
    DataFileError
        If a shard's images were made with other settings, are not the next ones of the data set,
        or are too many or too few.
    """
    anew = "delete the file and run again, and they are made anew"
    row = 0
    for path, (count, *_) in zip(shards, storage.shapes(shards), strict=True):
        attrs = storage.read_attrs(path)
        made = provenance.decode(attrs, path)["spec"]
        for key, old, new in provenance.changes(made, images):
            raise storage.DataFileError(
                f"{path}: its images were made with {key} = {old}, and {new} is expected: {anew}"
            )
        if (first := int(attrs.get("first_row", row))) != row:
            raise storage.DataFileError(
                f"{path}: its images begin with row {first}, and {row} is expected: {anew}"
            )
        row += count
    if row != images["n"]:
        raise storage.DataFileError(
            f"{', '.join(map(str, shards))}: {row} images, and {images['n']} are expected: {anew}"
        )


def label(labels: dict[str, np.ndarray], name: str, path) -> np.ndarray:
    """One label of a data set, shape (n,): numbers as float64, text as it is.

    Raises
    ------
    DataFileError
        If the file (`path`, for the message) has no such label or it is not finite throughout.
    """
    if name not in labels:
        raise storage.DataFileError(f"{path} has no label {name!r}; it has {sorted(labels)}")
    if labels[name].dtype.kind == "U":
        return labels[name]
    values = np.asarray(labels[name], dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise storage.DataFileError(f"{path}: label {name!r} is not finite in row {row}")
    return values


def extremes(values: np.ndarray, name: str) -> tuple[float, float]:
    """Smallest and largest value of a label.

    Raises
    ------
    ValueError
        If they are the same: there is nothing to scale by, and nothing to learn.
    """
    low, high = float(np.min(values)), float(np.max(values))
    if low == high:
        raise ValueError(f"{name} is {low} in all {len(values)} rows to be trained on")
    return low, high


def scale(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Map [low, high] to [0, 1]."""
    low, high = limits
    return (values - low) / (high - low)


def unscale(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Map [0, 1] to [low, high]."""
    low, high = limits
    return low + values * (high - low)


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
    n_train = _training_rows(spec, len(images))
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

    torch.manual_seed(seeds.stream_key(spec["seed"], "training", "", "weights"))
    network = networks.build(spec, images.shape[1:]).to(device)
    on_gpu = device.type == "cuda"
    # On a GPU the rate is a number on the device, which graphs read at each replay.
    rate = torch.tensor(spec["learning_rate"], device=device) if on_gpu else spec["learning_rate"]
    optimizer = _optimizer(spec, network, rate, on_gpu)
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
        _warm_up(step, network, optimizer, batch_size, device)
    identity = {
        "spec": provenance.canonical(spec),
        "data": _digest(images, columns),
        "device": device.type,
        "precision": precision,
        "code": _code_digest(),
    }
    records, best = [], {"epoch": 0, "loss": math.inf, "state_dict": None}
    if (state := _read_checkpoint(checkpoint, identity, log)) is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        optimizer.param_groups[0]["lr"] = rate
        records, best = state["history"], state["best"]
        log(f"goes on after epoch {len(records)} from {checkpoint}")
    _write_history(history, records)
    network.train()
    # By how many rows it takes. Graphs are bound to the tensors that they were captured with, so
    # this is after a checkpoint is loaded.
    advance = _capture(step, batch_size, device) if on_gpu else {batch_size: step}

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
        learning_rate = _learning_rate(spec, steps, steps_per_epoch)
        # Order, mirrors and dropout depend on seed and epoch only, so a resumed training repeats
        # none.
        order = torch.Generator().manual_seed(
            seeds.stream_key(spec["seed"], "training", str(epoch), "order")
        )
        torch.manual_seed(seeds.stream_key(spec["seed"], "training", str(epoch), "dropout"))
        if spec["mirror"]:
            mirrors.copy_(torch.randint(2, (n_train, 3), generator=order))
        for rows in _blocks(torch.randperm(n_train, generator=order).to(device), advance):
            _set_rate(optimizer, _learning_rate(spec, steps, steps_per_epoch))
            steps += -(-len(rows) // batch_size)
            advance.get(len(rows), step)(rows)
            bar.update(len(rows))
        train_loss = loss_sum.item() / n_train  # the one place that waits for a GPU
        trained = time.monotonic()
        extra = None if extras is None else extras[n_train:]
        outputs = networks.evaluate(network, pixels[n_train:], extra, device)
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
            networks.save(checkpoint, identity | state | {"history": records, "best": best})
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


def mirror(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mirror images in x, then in y, then in the diagonal x = y.

    Parameters
    ----------
    images : tensor, shape (n, C, H, H)
    chosen : tensor of bool, shape (n, 3)
        Which of the mirrors each image meets.

    Returns
    -------
    tensor, shape (n, C, H, H)
    """
    for column, reflect in enumerate((lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.mT)):
        images = torch.where(chosen[:, column, None, None, None], reflect(images), images)
    return images


def mirrored_signs(signs: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """What labels are multiplied with where images meet mirrors.

    Parameters
    ----------
    signs : tensor, shape (n_labels, 3)
        As in `MIRRORED`.
    chosen : tensor of bool, shape (n, 3)

    Returns
    -------
    tensor, shape (n, n_labels)
    """
    return torch.where(chosen[:, None], signs, torch.ones_like(signs)).prod(2)


def save_network(
    path, trained: Trained, spec: dict, image_shape: tuple[int, int, int], origin: dict[str, str]
) -> None:
    """Write the weights of a training with all that using them takes.

    Parameters
    ----------
    path
        File to write; appears only when complete. `prediction.load_network` reads it.
    trained
        From `train`.
    spec
        What it was trained with.
    image_shape
        (C, H, W).
    origin
        From `provenance.collect`.

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
    networks.save(path, contents)


def check_spec(spec: dict) -> None:
    """Raise ValueError, naming the key, if a training spec is incomplete or impossible."""
    if missing := sorted(_KEYS - spec.keys()):
        raise ValueError(f"training spec: {', '.join(missing)} missing")
    if unknown := sorted(spec.keys() - _KEYS):
        raise ValueError(f"training spec: unknown key {', '.join(unknown)}; known: {sorted(_KEYS)}")
    targets = spec["targets"]
    if not isinstance(targets, list) or not targets or len(set(targets)) < len(targets):
        raise ValueError(
            f"training spec: `targets` is a list of one or more different labels, not {targets!r}"
        )
    if spec["optimizer"] not in OPTIMIZERS:
        raise ValueError(
            f"training spec: `optimizer` is {spec['optimizer']!r}; it can be one of "
            + ", ".join(OPTIMIZERS)
        )
    if spec["autocast"] not in devices.PRECISIONS:
        raise ValueError(
            f"training spec: `autocast` is {spec['autocast']!r}; it can be one of "
            + ", ".join(devices.PRECISIONS)
        )
    if spec["learning_rate_decay"] not in DECAYS:
        raise ValueError(
            f"training spec: `learning_rate_decay` is {spec['learning_rate_decay']!r}; it can be "
            "one of " + ", ".join(DECAYS)
        )
    if spec["patience"] is not None and not spec["patience"] > 0:
        raise ValueError(
            f"training spec: `patience` is a number of epochs or null, not {spec['patience']}"
        )
    if spec["mirror"] and (unknown := sorted(set(targets) - MIRRORED.keys())):
        raise ValueError(
            f"training spec: `mirror` is on and nobody has said what becomes of "
            f"{', '.join(unknown)} in a mirror; turn it off or add to training.MIRRORED"
        )
    for key in ("label_range", "learning_rate", "batch_size", "epochs"):
        if not spec[key] > 0:
            raise ValueError(f"training spec: `{key}` must be positive, not {spec[key]}")


def _training_rows(spec: dict, n: int) -> int:
    n_train = n - round(spec["validation_fraction"] * n)
    if not 0 < n_train < n:
        raise ValueError(
            f"training spec: `validation_fraction` {spec['validation_fraction']} of {n} images "
            f"leaves {n_train} to train on and {n - n_train} to validate on; both need some"
        )
    return n_train


def _is_over(spec: dict, epoch: int, best_epoch: int) -> bool:
    """Return whether a training ends after an epoch, counted from 1 (0 before the first)."""
    if epoch >= spec["epochs"]:
        return True
    return spec["patience"] is not None and epoch - best_epoch >= spec["patience"]


def _learning_rate(spec: dict, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0 over the whole training."""
    n = spec["epochs"] * steps_per_epoch
    if spec["learning_rate_decay"] == "cosine":
        epochs_done = step // steps_per_epoch
        return spec["learning_rate"] * (1 + math.cos(math.pi * epochs_done / spec["epochs"])) / 2
    if spec["learning_rate_decay"] == "linear":
        rising = WARMUP * n
        return spec["learning_rate"] * min(1, (step + 1) / rising, (n - step) / (n - rising))
    return spec["learning_rate"]


def _set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate; on a GPU in place, where CUDA graphs read it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = learning_rate


def _optimizer(
    spec: dict, network: nn.Module, rate: float | torch.Tensor, on_gpu: bool
) -> torch.optim.Optimizer:
    settings = {"lr": rate, "eps": EPSILON}
    if spec["optimizer"] == "adam":
        return torch.optim.Adam(network.parameters(), fused=True, capturable=on_gpu, **settings)
    return (SharedNAdam if on_gpu else torch.optim.NAdam)(network.parameters(), **settings)


class SharedNAdam(torch.optim.Optimizer):
    """torch's NAdam with one count of steps for all weights, for a CUDA graph.

    Inside a graph torch's own counts for each weight apart, in kernels of one number each.

    Parameters
    ----------
    weights
        As for `torch.optim.NAdam`, in one group, all with gradients.
    lr, eps
        As there; what else may be chosen there has its default.
    """

    BETA1, BETA2, MOMENTUM_DECAY = 0.9, 0.999, 4e-3

    def __init__(self, weights, lr: float | torch.Tensor, eps: float):
        super().__init__(weights, {"lr": lr, "eps": eps})
        (group,) = self.param_groups
        for weight in group["params"]:
            self.state[weight] = {name: torch.zeros_like(weight) for name in ("mean", "square")}
        first = group["params"][0]
        self.state[first] |= {"count": first.new_zeros(()), "mu_product": first.new_ones(())}

    @torch.no_grad()
    def step(self) -> None:
        """One step, by the gradients that the weights have."""
        (group,) = self.param_groups
        weights, lr = group["params"], group["lr"]
        gradients = [weight.grad for weight in weights]
        means, squares = ([self.state[w][name] for w in weights] for name in ("mean", "square"))
        count, mu_product = (self.state[weights[0]][name] for name in ("count", "mu_product"))
        count += 1
        mu, next_mu = (
            self.BETA1 * (1 - 0.5 * 0.96 ** ((count + k) * self.MOMENTUM_DECAY)) for k in (0, 1)
        )
        mu_product *= mu
        torch._foreach_lerp_(means, gradients, 1 - self.BETA1)
        torch._foreach_mul_(squares, self.BETA2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - self.BETA2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, (-torch.expm1(count * math.log(self.BETA2))).sqrt())
        torch._foreach_add_(roots, group["eps"])
        change = torch._foreach_mul(gradients, -lr * (1 - mu) / (1 - mu_product))
        ahead = torch._foreach_mul(means, -lr * next_mu / (1 - mu_product * next_mu))
        torch._foreach_add_(change, ahead)
        torch._foreach_addcdiv_(weights, change, roots)


def _autocast(precision: str, device: torch.device):
    if precision == "bfloat16":
        # No cache of cast weights: captured in a graph it would outlive the weights' updates.
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()


def _digest(images: np.ndarray, columns: np.ndarray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(images))
    digest.update(np.ascontiguousarray(columns))
    return digest.hexdigest()


def _code_digest() -> str:
    sources = (
        Path(module).read_bytes() for module in (__file__, networks.__file__, fourier.__file__)
    )
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _read_checkpoint(path: Path, identity: dict, log: Callable[[str], None]) -> dict | None:
    path = Path(path)
    if not path.exists():
        return None
    try:
        state = networks.load(path)
    except storage.DataFileError as error:
        aside = _put_aside(path, "damaged")
        log(f"starts afresh: {error}. What was there is kept as {aside}; delete it when you like")
        return None
    if other := [key for key, value in identity.items() if state.get(key) != value]:
        aside = _put_aside(path, "other-" + "-".join(other))
        log(
            f"starts afresh: the checkpoint {path} was made with another {' and '.join(other)}. It "
            f"is kept as {aside}: to go on from it, restore these and its name; else delete it"
        )
        return None
    return state


def _put_aside(path: Path, reason: str) -> Path:
    """Rename a checkpoint so that its name gives the reason; never over one put aside before."""
    for k in itertools.count(1):
        aside = path.with_name(f"{path.name}.{reason}.{k}")
        if not aside.exists():
            return path.rename(aside)


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


def _rewind(optimizer: torch.optim.Optimizer) -> None:
    """Set an optimizer's state to that before the first step, in place.

    In place, because a state that is empty when a graph is captured would be created inside the
    graph, that is anew at every replay.
    """
    for state in optimizer.state.values():
        for name, value in state.items():
            value.fill_(1.0 if name == "mu_product" else 0.0)  # a product (NAdam) starts at 1


def _warm_up(step, network, optimizer, batch_size: int, device: torch.device) -> None:
    """Run a few steps, as capturing a CUDA graph requires, and undo all they did.

    They run on a side stream; they choose cuDNN's algorithms and create the optimizer's state.
    The random generators need no undoing: every epoch seeds them.
    """
    fresh = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    network.train()
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side), warnings.catch_warnings():
        # Capturable optimizers warn when they step outside a capture, which is what this is for.
        warnings.filterwarnings("ignore", message=".*capturable=True.*")
        for _ in range(3):
            step(torch.arange(batch_size, device=device))
    torch.cuda.current_stream(device).wait_stream(side)
    network.load_state_dict(fresh)  # copies in place
    _rewind(optimizer)


def _capture(step, batch_size: int, device: torch.device) -> dict[int, Callable]:
    """`step` for many batches and for one, replayed from CUDA graphs: by rows taken, most first.

    Capturing records kernels without running them, so it changes no weights. The graphs keep the
    mode, training, that the network is in.
    """

    def captured(size: int) -> Callable[[torch.Tensor], None]:
        rows = torch.zeros(size, dtype=torch.int64, device=device)  # the graph reads them
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for batch in rows.split(batch_size):
                step(batch)

        def replay(block: torch.Tensor) -> None:
            rows.copy_(block)
            graph.replay()

        return replay

    return {size: captured(size) for size in (UNROLLED * batch_size, batch_size)}


def _blocks(rows: torch.Tensor, sizes: Iterable[int]) -> Iterator[torch.Tensor]:
    """Cut rows into as many blocks of the first size as there are, of the next, ..., and a rest."""
    for size in sizes:
        whole = len(rows) // size * size
        yield from rows[:whole].view(-1, size)
        rows = rows[whole:]
    if len(rows):
        yield rows
