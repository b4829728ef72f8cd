"""From trained weights and images to estimates, in physical units."""

from pathlib import Path

import numpy as np
import torch

from lenscnn import networks, provenance, storage, training

_CONTENTS = {"state_dict", "spec", "image_shape", "scaling", "best_epoch", "provenance"}


def load_network(path, spec: dict | None = None) -> tuple[networks.ConvRegressor, dict]:
    """A trained network, on the CPU.

    Parameters
    ----------
    path
        File made by `training.save_network`.
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
    meta = networks.load(path)
    if missing := sorted(_CONTENTS - meta.keys()):
        raise storage.DataFileError(
            f"{path} lacks {', '.join(missing)}: it is not a trained network of this pipeline"
        )
    if spec is not None and provenance.canonical(meta["spec"]) != provenance.canonical(spec):
        other = sorted(
            key for key in meta["spec"].keys() | spec.keys()
            if meta["spec"].get(key) != spec.get(key)
        )  # fmt: skip
        raise storage.DataFileError(
            f"{path} was trained with another spec: "
            + "; ".join(f"{k} is {meta['spec'].get(k)}, expected {spec.get(k)}" for k in other)
            + ". Train it again, or set the config back"
        )
    network = networks.build(meta["spec"], meta["image_shape"])
    try:
        network.load_state_dict(meta.pop("state_dict"))
    except RuntimeError as error:
        raise storage.DataFileError(
            f"{path}: the weights do not fit the network of its own spec ({error}); train it again"
        ) from error
    return network, meta


def predict(
    network: networks.ConvRegressor,
    meta: dict,
    images: np.ndarray,
    scalars: np.ndarray | None,
    device: torch.device,
    batch: int = networks.EVALUATION_BATCH,
) -> np.ndarray:
    """Estimates of the target, in physical units.

    Parameters
    ----------
    network, meta
        From `load_network`; the network is moved to `device`.
    images : ndarray of float32, shape (n, C, H, W)
        As the network sees them (`training.load_normalised`).
    scalars : ndarray, shape (n, n_scalars), or None
        In physical units, columns as in ``meta["spec"]["scalars"]``; None if that is empty.
    device
        Where to compute.
    batch
        Images in a batch.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If images or scalars are not what the network was trained on.
    """
    names = meta["spec"]["scalars"]
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
    if names:
        scaled = [training.scale(scalars[:, k], meta["scaling"][n]) for k, n in enumerate(names)]
        extra = torch.from_numpy(np.column_stack(scaled).astype(np.float32))
    outputs = networks.evaluate(network.to(device), torch.from_numpy(images), extra, device, batch)
    return training.unscale(outputs[:, 0], meta["scaling"][meta["spec"]["target"]])


def predict_shards(
    network: networks.ConvRegressor, meta: dict, shards: list, n_from: str, device: torch.device
) -> dict[str, np.ndarray]:
    """Estimates for a data set, shard by shard, beside its true labels.

    Parameters
    ----------
    network, meta
        From `load_network`.
    shards
        Files of images, in order; labels ``subset``, ``alpha`` and ``N``.
    n_from
        Where a network that takes N gets it from: "truth", or a file of predictions of N for the
        same images; "none" for a network that does not take it.
    device
        Where to compute.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``true``, ``predicted``, ``N``, ``alpha`` and ``subset``, a file of predictions.

    Raises
    ------
    ValueError
        If `n_from` and the network disagree about N being an input.
    DataFileError
        If a file cannot be read, or the predictions of N are for other images.
    """
    target, scalars = meta["spec"]["target"], meta["spec"]["scalars"]
    if (n_from != "none") != (scalars == ["N"]):
        raise ValueError(
            f"N is to come from {n_from!r}, but the network's `scalars` are {scalars}: give "
            "'none' for a network without N, 'truth' or a file of predictions for one with it"
        )
    estimated = None if n_from in ("none", "truth") else _read_n(n_from)
    columns = {"true": [], "predicted": [], "N": [], "alpha": [], "subset": []}
    start = 0
    for shard in shards:
        images, labels = training.load_normalised([shard])
        n_true = training.label(labels, "N", shard)
        if "subset" not in labels:
            raise storage.DataFileError(f"{shard} has no label 'subset'; is it a test shard?")
        rows = slice(start, start + len(images))
        start = rows.stop
        n_input = n_true
        if estimated is not None:
            if not (
                np.array_equal(estimated["N"][rows], n_true)
                and np.array_equal(estimated["subset"][rows], labels["subset"])
            ):
                raise storage.DataFileError(
                    f"{n_from} holds predictions for other images than {shard}: their true N or "
                    "their subsets differ. Predict N again for these images"
                )
            n_input = estimated["predicted"][rows]
        extra = n_input[:, None] if scalars else None
        columns["true"].append(training.label(labels, target, shard))
        columns["predicted"].append(predict(network, meta, images, extra, device))
        columns["N"].append(n_true)
        columns["alpha"].append(training.label(labels, "alpha", shard))
        columns["subset"].append(labels["subset"])
    if estimated is not None and len(estimated["N"]) != start:
        raise storage.DataFileError(
            f"{n_from} holds {len(estimated['N'])} predictions, the shards {start} images. "
            "Predict N again for these images"
        )
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _read_n(path: str | Path) -> dict[str, np.ndarray]:
    arrays, attrs = storage.read_h5(path)
    if attrs.get("target") != "N" or not {"predicted", "N", "subset"} <= arrays.keys():
        raise storage.DataFileError(
            f"{path} holds no predictions of N (its target is {attrs.get('target')!r})"
        )
    return arrays
