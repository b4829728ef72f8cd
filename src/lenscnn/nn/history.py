"""What a training writes down of each epoch, and what it says."""

import json
import math
from pathlib import Path

import numpy as np

from lenscnn.core import storage


def make_record(
    spec: dict, epoch: int, train_loss: float, losses: dict[str, float], scaling: dict, **others
) -> dict:
    """Make the record of an epoch, as the history file holds it.

    Parameters
    ----------
    spec
        Of the training.
    epoch
        Counted from 1.
    train_loss
        Mean over the images of the epoch, in scaled units.
    losses
        Mean squared error on the validation images by target, in scaled units.
    scaling
        As in `data.TrainingData`.
    others
        What else is written down, as it is.
    """
    rmse = {
        name: math.sqrt(loss) / spec["label_range"] * float(np.ptp(scaling[name]))
        for name, loss in losses.items()
    }
    return {
        "epoch": epoch,
        "train_loss": train_loss,
        "validation_loss": float(np.mean(list(losses.values()))),
        "validation_rmse": rmse,
        **others,
    }


def write_history(path: Path, records: list[dict]) -> None:
    """Write one JSON object a line and epoch."""
    lines = "".join(json.dumps(record) + "\n" for record in records)
    storage.write_bytes(path, lines.encode())


def list_rmses(record: dict) -> str:
    """Write the validation RMSE of each target as text, in physical units."""
    return ", ".join(f"{name} {rmse:.4g}" for name, rmse in record["validation_rmse"].items())


def describe(record: dict, spec: dict, seconds_per_epoch: float) -> str:
    """Return a line for the reader on an epoch, with the time that is left."""
    left = round((spec["epochs"] - record["epoch"]) * seconds_per_epoch)
    return (
        f"epoch {record['epoch']}/{spec['epochs']}: loss {record['train_loss']:.3e}, "
        f"validation {record['validation_loss']:.3e} "
        f"(RMSE of {list_rmses(record)}), "
        f"{record['images_per_second']:.0f} images/s, "
        f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
    )
