"""From trained weights and images to estimates, in physical units.

A predictions file holds ``true`` and ``predicted``, of shape (n,) for a network of one target and
(n, n_targets) for one of several, and labels of the images, of shape (n,). Some hold
``predicted_mirrors`` too, shaped like ``predicted``: the mean over the eight mirrored versions of
each image (`predict_mirrored`). The attribute ``target`` names the targets, ``unit`` their units,
both in the order of the columns and separated by spaces.
"""

import itertools
from pathlib import Path

import numpy as np
import torch

from lenscnn.core import devices, storage, weights
from lenscnn.nn.data import label, load_normalised, scale, unscale
from lenscnn.nn.mirrors import MIRRORED, mirror, mirrored_signs
from lenscnn.nn.network import EVALUATION_BATCH, ConvRegressor, build, evaluate
from lenscnn.records import provenance

UNITS = {"theta_E": "arcsec"}
"""Units of the targets that have one."""

SYMMETRIES = tuple(itertools.product((False, True), repeat=3))
"""The eight symmetries of a square: whether `mirrors.mirror` mirrors in x, y and the diagonal.

The first leaves the square as it is.
"""

_CONTENTS = {"state_dict", "spec", "image_shape", "scaling", "best_epoch", "provenance"}


def load_network(path, spec: dict | None = None) -> tuple[ConvRegressor, dict]:
    """Load a trained network onto the CPU.

    Parameters
    ----------
    path
        File made by `train.save_network`.
    spec
        Training spec that the weights must have been made with; None for any.

    Returns
    -------
    network : ConvRegressor
    meta : dict
        ``spec``, ``image_shape``, ``scaling``, ``best_epoch`` and ``provenance``.

    Raises
    ------
    DataFileError
        If the file is missing, damaged, foreign, or made with another spec.
    """
    meta = weights.load(path)
    if missing := sorted(_CONTENTS - meta.keys()):
        raise storage.DataFileError(
            f"{path} lacks {', '.join(missing)}: it is not a trained network of this pipeline"
        )
    if spec is not None and provenance.canonical_json(meta["spec"]) != provenance.canonical_json(
        spec
    ):
        other = provenance.changes(meta["spec"], spec)
        raise storage.DataFileError(
            f"{path} was trained with another spec: "
            + "; ".join(f"{key} is {old}, expected {new}" for key, old, new in other)
            + ". Train it again, or set the config back"
        )
    network = build(meta["spec"], meta["image_shape"])
    try:
        network.load_state_dict(meta.pop("state_dict"))
    except RuntimeError as error:
        raise storage.DataFileError(
            f"{path}: the weights do not fit the network of its own spec ({error}); train it again"
        ) from error
    return network, meta


def predict(
    network: ConvRegressor,
    meta: dict,
    images: np.ndarray,
    scalars: np.ndarray | None,
    device: torch.device,
) -> np.ndarray:
    """Estimate the targets, in physical units, in the precision of the training's spec.

    Parameters
    ----------
    network, meta
        From `load_network`; the network is moved to `device`.
    images : ndarray of float32, shape (n, C, H, W)
        As the network sees them (`data.load_normalised`).
    scalars : ndarray, shape (n, n_scalars), or None
        In physical units, columns as in ``meta["spec"]["scalars"]``; None if that is empty.
    device
        Where to compute.

    Returns
    -------
    ndarray of float64, shape (n, n_targets)
        Columns as in ``meta["spec"]["targets"]``.

    Raises
    ------
    ValueError
        If images or scalars are not what the network was trained on.
    """
    targets, names = meta["spec"]["targets"], meta["spec"]["scalars"]
    if tuple(images.shape[1:]) != tuple(meta["image_shape"]):
        raise ValueError(
            f"images are (C, H, W) = {images.shape[1:]}, but the network was trained on "
            f"{tuple(meta['image_shape'])}"
        )
    given = (len(images), 0) if scalars is None else scalars.shape
    if given != (len(images), len(names)):
        raise ValueError(
            f"the network takes {names} beside {len(images)} images, but scalars of shape "
            f"{given} were given"
        )
    extra = None
    if names and scalars is not None:
        scaled = [scale(scalars[:, k], meta["scaling"][n]) for k, n in enumerate(names)]
        extra = torch.from_numpy(np.column_stack(scaled).astype(np.float32))
    devices.set_precision(meta["spec"]["autocast"])
    outputs = evaluate(network.to(device), torch.from_numpy(images), extra, device)
    outputs /= meta["spec"]["label_range"]
    limits = [meta["scaling"][name] for name in targets]
    return np.column_stack([unscale(outputs[:, k], lim) for k, lim in enumerate(limits)])


def predict_mirrored(
    network: ConvRegressor,
    meta: dict,
    images: np.ndarray,
    scalars: np.ndarray | None,
    device: torch.device,
) -> np.ndarray:
    """Estimate the targets from the eight mirrored versions of each image, and turn them back.

    Turned back means that each is an estimate for the image as it was given: a target that
    changes sign in a mirror has that sign taken out again.

    Parameters
    ----------
    network, meta, images, scalars, device
        As for `predict`; images are square.

    Returns
    -------
    ndarray of float64, shape (8, n, n_targets)
        In the order of `SYMMETRIES`. The first is what `predict` gives.

    Raises
    ------
    ValueError
        As `predict`, or if images are not square, or if `mirrors.MIRRORED` lacks a target.
    """
    targets = meta["spec"]["targets"]
    if unknown := sorted(set(targets) - MIRRORED.keys()):
        raise ValueError(
            f"lenscnn.nn.mirrors.MIRRORED does not say how {', '.join(unknown)} is mirrored"
        )
    if images.shape[2] != images.shape[3]:
        raise ValueError(f"only square images can be mirrored, not {images.shape[2:]} pixels")
    signs = torch.tensor([MIRRORED[name] for name in targets])
    estimates = np.empty((len(SYMMETRIES), len(images), len(targets)))
    # One batch at a time, for memory; in the batches of `predict`, for the same bits.
    step = EVALUATION_BATCH[device.type]
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        batch = torch.from_numpy(images[rows])
        extra = None if scalars is None else scalars[rows]
        for k, mirrors in enumerate(SYMMETRIES):
            chosen = torch.tensor(mirrors).expand(len(batch), 3)
            seen = mirror(batch, chosen).contiguous().numpy()
            sign = mirrored_signs(signs, chosen).numpy()
            estimates[k, rows] = sign * predict(network, meta, seen, extra, device)
    return estimates


def predict_shards(
    network: ConvRegressor,
    meta: dict,
    shards: list,
    n_from: str,
    kept: list[str],
    device: torch.device,
    mirrors: bool = False,
) -> dict[str, np.ndarray]:
    """Estimate the targets of a data set, shard by shard, beside its true labels.

    Parameters
    ----------
    network, meta
        From `load_network`.
    shards
        Files of images, in order; labels at least the targets and `kept`.
    n_from
        Where a network that takes N gets it from: "truth", or a file of predictions of N for the
        same images, beside which ``N`` and ``subset`` were kept; "none" for a network that does
        not take it.
    kept
        Labels to keep beside the estimates, to tell the images apart by later.
    device
        Where to compute.
    mirrors
        Whether to estimate from the mirrored versions of each image too: eight times the work.

    Returns
    -------
    dict of ndarray
        ``true``, ``predicted``, with `mirrors` ``predicted_mirrors``, and the labels `kept`: a
        file of predictions (see this module).

    Raises
    ------
    ValueError
        If `n_from` and the network disagree about N being an input, or as `predict_mirrored`.
    DataFileError
        If a file cannot be read, or the predictions of N are for other images.
    """
    targets, scalars = meta["spec"]["targets"], meta["spec"]["scalars"]
    if (n_from != "none") != (scalars == ["N"]):
        raise ValueError(
            f"N is to come from {n_from!r}, but the network's `scalars` are {scalars}: give "
            "'none' for a network without N, 'truth' or a file of predictions for one with it"
        )
    estimated = None if n_from in ("none", "truth") else _read_n(n_from)
    of_targets = ["true", "predicted", *(["predicted_mirrors"] if mirrors else [])]
    columns = {name: [] for name in (*of_targets, *kept)}
    start = 0
    for shard in shards:
        images, labels = load_normalised([shard], meta["spec"]["normalise"])
        rows = slice(start, start + len(images))
        start = rows.stop
        n_input = label(labels, "N", shard)[:, None] if scalars else None
        if estimated is not None:
            if not all(
                np.array_equal(estimated[name][rows], label(labels, name, shard))
                for name in ("N", "subset")
            ):
                raise storage.DataFileError(
                    f"{n_from} holds predictions for other images than {shard}: their true N or "
                    "their subsets differ. Predict N again for these images"
                )
            n_input = estimated["predicted"][rows, None]
        true = [label(labels, name, shard) for name in targets]
        columns["true"].append(np.column_stack(true))
        if mirrors:
            each = predict_mirrored(network, meta, images, n_input, device)
            columns["predicted"].append(each[0])
            columns["predicted_mirrors"].append(each.mean(axis=0))
        else:
            columns["predicted"].append(predict(network, meta, images, n_input, device))
        for name in kept:
            values = label(labels, name, shard)
            whole = labels[name].dtype.kind in "iu"
            columns[name].append(labels[name] if whole else values)
    if estimated is not None and len(estimated["N"]) != start:
        raise storage.DataFileError(
            f"{n_from} holds {len(estimated['N'])} predictions, the shards {start} images. "
            "Predict N again for these images"
        )
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    if len(targets) == 1:
        arrays |= {name: arrays[name][:, 0] for name in of_targets}
    return arrays


def in_float32(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays as predictions files keep them: as networks compute, but integers whole.

    Older files keep integers as float32, too, which holds them exactly up to 2^24.
    """
    return {
        name: values.astype(np.float32) if values.dtype == np.float64 else values
        for name, values in arrays.items()
    }


def _read_n(path: str | Path) -> dict[str, np.ndarray]:
    """Read predictions of N."""
    arrays, attrs = storage.read_h5(path)
    if attrs.get("target") != "N" or not {"predicted", "N", "subset"} <= arrays.keys():
        raise storage.DataFileError(
            f"{path} holds no predictions of N (its target is {attrs.get('target')!r})"
        )
    return arrays
