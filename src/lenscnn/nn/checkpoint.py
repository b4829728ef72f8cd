"""Checkpoints of a training: read when they are of the same training, else put aside."""

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lenscnn.core import storage, weights


def digest_of_data(images: np.ndarray, columns: np.ndarray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(images))
    digest.update(np.ascontiguousarray(columns))
    return digest.hexdigest()


def code_digest() -> str:
    """Return the digest of the modules that decide what a training computes: those of this room."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def read_checkpoint(path: Path, identity: dict, log: Callable[[str], None]) -> dict | None:
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
    for k in itertools.count(1):
        aside = path.with_name(f"{path.name}.{reason}.{k}")
        if not aside.exists():
            return path.rename(aside)
