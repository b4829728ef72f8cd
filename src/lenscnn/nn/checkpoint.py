"""Checkpoints of a training: read when they are of the same training, else put aside."""

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import lenscnn
from lenscnn.core import storage, weights
from lenscnn.nn.data import TrainingData
from lenscnn.records import provenance


def identify(spec: dict, data: TrainingData, images: np.ndarray, precision: str) -> dict[str, str]:
    """Return what identifies a training: a checkpoint with another identity is not used.

    Parameters
    ----------
    spec
        Of the training.
    data, images
        What it is trained on, on the device and as it was given.
    precision
        Of the convolutions, as they are computed.
    """
    return {
        "spec": provenance.canonical_json(spec),
        "data": digest_of_data(images, data.columns),
        "device": data.images.device.type,
        "precision": precision,
        "code": CODE_DIGEST,
        "torch": str(torch.__version__),
    }


def digest_of_data(images: np.ndarray, columns: np.ndarray) -> str:
    """Return a digest of images and labels."""
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(columns).data)
    return digest.hexdigest()


def code_digest(library: Path) -> str:
    """Return the digest of what decides a training in a copy of the library: nn, random numbers."""
    sources = sorted(path for room in ("nn", "rng") for path in (library / room).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


CODE_DIGEST = code_digest(Path(lenscnn.__file__).parent)
"""`code_digest` when the library was imported: that of the code which runs."""


def read_checkpoint(path: Path, identity: dict, log: Callable[[str], None]) -> dict | None:
    """Read the checkpoint of a training; None if there is none to go on from.

    One of another training, or a damaged one, is put aside under a name that gives the reason.

    Parameters
    ----------
    path
        File; need not exist.
    identity
        From `identify`.
    log
        Called with a line for the reader where one is put aside.

    Raises
    ------
    OSError
        If it is there and the system does not hand it over. It is left as it is.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        state = weights.load(path)
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
    names = (path.with_name(f"{path.name}.{reason}.{k}") for k in itertools.count(1))
    return path.rename(next(aside for aside in names if not aside.exists()))
