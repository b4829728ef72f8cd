"""Images and labels as a network takes them: scaled and checked."""

from dataclasses import dataclass

import numpy as np
import torch

from lenscnn.core import storage
from lenscnn.records import provenance


def normalise(images: torch.Tensor, each: str) -> torch.Tensor:
    """Scale images to [0, 1] by their own minimum and maximum; what is constant becomes zero.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    each
        Whose extremes: "image", over all its bands, which keeps its colours, or "band".
    """
    axes = {"image": (1, 2, 3), "band": (2, 3)}[each]
    low = images.amin(axes, keepdim=True)
    span = images.amax(axes, keepdim=True) - low
    return (images - low).div_(torch.where(span > 0, span, torch.ones_like(span)))


NORMALISE_ROWS = 4096


def load_normalised(shards: list, each: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Load images as a network sees them (`normalise`), and their labels.

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
        As `core.storage.load_images`.
    """
    images, labels, _ = storage.load_images(shards)
    for start in range(0, len(images), NORMALISE_ROWS):  # in place: the set is held once
        chunk = torch.from_numpy(images[start : start + NORMALISE_ROWS])
        chunk.copy_(normalise(chunk, each))
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
    """Return one label of a data set, shape (n,): numbers as float64, text as it is.

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
    """Return the smallest and the largest value of a label.

    Raises
    ------
    ValueError
        If they are the same: there is nothing to scale by, and nothing to learn.
    """
    low, high = float(np.min(values)), float(np.max(values))
    if low == high:
        raise ValueError(f"{name} is {low} in all {len(values)} rows to be trained on")
    return low, high


def scale(values: float | np.ndarray, limits: tuple[float, float]) -> float | np.ndarray:
    """Map [low, high] to [0, 1]."""
    low, high = limits
    return (values - low) / (high - low)


def unscale(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Map [0, 1] to [low, high]."""
    low, high = limits
    return low + values * (high - low)


def count_training_rows(spec: dict, n: int) -> int:
    """Return how many of n rows are trained on; raise ValueError if a side has none."""
    n_train = n - round(spec["validation_fraction"] * n)
    if not 0 < n_train < n:
        raise ValueError(
            f"training spec: `validation_fraction` {spec['validation_fraction']} of {n} images "
            f"leaves {n_train} to train on and {n - n_train} to validate on; both need some"
        )
    return n_train


@dataclass(frozen=True)
class TrainingData:
    """Images and scaled labels of a training, on the device.

    Attributes
    ----------
    images : Tensor, shape (n, C, H, W)
    targets : Tensor of float32, shape (n, n_targets)
        Scaled to [0, label_range] over the rows trained on.
    scalars : Tensor of float32, shape (n, n_scalars), or None
        Scaled to [0, 1].
    exact_targets : ndarray of float64, shape (n, n_targets)
        The targets before they were rounded.
    columns : ndarray of float64, shape (n, n_targets + n_scalars)
        Labels in physical units.
    scaling
        (minimum, maximum) of each target and scalar over the rows trained on.
    n_train
        How many rows are trained on: the first ones. The others are to validate on.
    """

    images: torch.Tensor
    targets: torch.Tensor
    scalars: torch.Tensor | None
    exact_targets: np.ndarray
    columns: np.ndarray
    scaling: dict[str, tuple[float, float]]
    n_train: int


def prepare_data(
    spec: dict,
    images: np.ndarray,
    targets: np.ndarray,
    scalars: np.ndarray | None,
    device: torch.device,
) -> TrainingData:
    """Scale labels and put all data on the device at once.

    Images stay float32 (1.4 GB for 100,000 of 60x60), which is exact and small beside the memory of
    any GPU that one would train on.

    Parameters
    ----------
    spec
        Of the training.
    images, targets, scalars
        As `train.train` takes them.
    device
        Where to compute.

    Raises
    ------
    ValueError
        If images and labels do not go together, or a label is the same in all rows.
    """
    n_train = count_training_rows(spec, len(images))
    names, n_targets = [*spec["targets"], *spec["scalars"]], len(spec["targets"])
    columns = np.column_stack([targets] if scalars is None else [targets, scalars])
    if columns.shape != (len(images), len(names)):
        raise ValueError(
            f"{len(images)} images need {len(images)} rows of {names}, not {columns.shape}"
        )
    scaling = {n: extremes(columns[:n_train, k], n) for k, n in enumerate(names)}
    scaled = np.column_stack([scale(columns[:, k], scaling[n]) for k, n in enumerate(names)])
    scaled[:, :n_targets] *= spec["label_range"]
    labels = torch.from_numpy(scaled.astype(np.float32)).to(device)
    return TrainingData(
        torch.from_numpy(images).to(device),
        labels[:, :n_targets],
        labels[:, n_targets:] if spec["scalars"] else None,
        scaled[:, :n_targets],
        columns,
        scaling,
        n_train,
    )
