"""Spec of a training: its keys, and a check of them.

A training is a function of its spec and its data. The spec is a dict with the keys

``network``
    Architecture, see `network.build`.
``targets``
    Labels to estimate, one output each, e.g. ["alpha"] or ["theta_E", "e1", "e2"].
``label_range``
    Targets are scaled to [0, label_range].
``scalars``
    Labels that enter beside the image, e.g. ["N"] or [].
``optimizer``
    "adam" or "nadam".
``learning_rate``, ``batch_size``, ``epochs``
    Largest learning rate, images in a step, and how often each image is seen at most.
``learning_rate_decay``
    "none"; "cosine": epoch k of n has learning_rate (1 + cos(pi (k - 1) / n)) / 2 (Loshchilov
    & Hutter 2017, eq. 5, without restarts); or "linear": step by step the rate rises linearly from
    zero over the first `optimizers.WARMUP` of all steps and then falls linearly to zero.
``patience``
    The training stops after this many epochs without a smaller validation loss; None: never.
``mirror``
    Whether each image, every time it is seen, is mirrored at random: in x, in y and in the
    diagonal, each or not with equal odds, labels with it (see `mirrors.MIRRORED`).
``validation_fraction``
    The last rows of the training set, this fraction of it, are not trained on but choose the epoch.
``normalise``
    "image" or "band": whose extremes the images are scaled by (`data.normalise`).
``seed``
    Of the initial weights, the order of the images and dropout.
``autocast``
    Precision of the convolutions, see `core.devices.training_precision`. "float32" is what it says.
    With "tf32" a GPU rounds their factors to 10 bits. "bfloat16" trains the convolutional blocks in
    mixed precision; validation and prediction are as with "tf32" on a GPU and in float32 on a CPU.
    Dense layers are always in float32.

``images``
    What the images are, as the one who asks describes them. Kept with the weights, which are
    refused where something else is expected.

The loss is the mean squared error over all scaled targets. Targets and scalars, these to [0, 1],
are scaled by their extremes over the rows trained on. Weights are those of the epoch with the
smallest validation loss.
"""

from lenscnn.core import devices
from lenscnn.nn.mirrors import MIRRORED

OPTIMIZERS = ("adam", "nadam")

DECAYS = ("none", "cosine", "linear")

_KEYS = {
    "network", "targets", "label_range", "scalars", "optimizer", "learning_rate", "batch_size",
    "learning_rate_decay", "mirror", "epochs", "patience", "validation_fraction", "normalise",
    "seed", "autocast", "images",
}  # fmt: skip


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
    for key, known in (
        ("optimizer", OPTIMIZERS), ("autocast", devices.PRECISIONS), ("learning_rate_decay", DECAYS)
    ):  # fmt: skip
        if spec[key] not in known:
            raise ValueError(
                f"training spec: `{key}` is {spec[key]!r}; it can be one of {', '.join(known)}"
            )
    if spec["patience"] is not None and not spec["patience"] > 0:
        raise ValueError(
            f"training spec: `patience` is a number of epochs or null, not {spec['patience']}"
        )
    if spec["mirror"] and (unknown := sorted(set(targets) - MIRRORED.keys())):
        raise ValueError(
            f"training spec: `mirror` is on and nobody has said what becomes of "
            f"{', '.join(unknown)} in a mirror; turn it off or add to lenscnn.nn.mirrors.MIRRORED"
        )
    for key in ("label_range", "learning_rate", "batch_size", "epochs"):
        if not spec[key] > 0:
            raise ValueError(f"training spec: `{key}` must be positive, not {spec[key]}")
