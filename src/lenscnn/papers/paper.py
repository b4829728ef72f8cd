"""What the rules shared by all papers ask of a paper, and what papers compose alike.

Paths begin with ``<results>``, which Snakemake replaces by the folder of the scale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from lenscnn.records.provenance import changes, plain_text
from lenscnn.stats.over_seeds import estimate_and_seed


class Paper(Protocol):
    """A paper, or one variant of it, as the config describes it.

    Attributes
    ----------
    name
        Folder of its results, and the wildcard ``{paper}`` of rules.
    samples, views, networks, estimates
        Names that stand for the wildcards of rules: samples of lenses, views of them, networks, and
        what is estimated with networks or without.
    config
        The paper's part of the config.
    kept_labels
        Labels of the images that predictions files keep.
    """

    name: str
    config: dict
    samples: list[str]
    views: list[str]
    networks: list[str]
    estimates: list[str]
    kept_labels: tuple[str, ...]

    def images_spec(self, view: str, split: str) -> dict:
        """Return what the images of one split of a view are made from."""
        ...

    def shards(self, view: str, split: str) -> list[str]:
        """Return the files of these images, in order."""
        ...

    def training_spec(self, view: str, network: str, seed: int) -> dict:
        """Return the spec of a training (`nn.spec`)."""
        ...

    def trained_on(self, estimate: str, view: str) -> tuple[str, str]:
        """Return the view of training and the network behind an estimate from a view's images."""
        ...

    def estimate_spec(self, estimate: str, view: str, seed: int) -> dict:
        """Return the spec of the training, or of the fit, behind an estimate."""
        ...

    def labels_of(self, estimate: str, view: str) -> list[str]:
        """Return the labels that an estimate is of."""
        ...

    def source_of_n(self, estimate: str) -> str:
        """Return where an estimate has the label N from: "truth", an estimate's name, or "none"."""
        ...

    def sees_mirrors(self, estimate: str, view: str) -> bool:
        """Return whether an estimate is also averaged over the mirrored versions of each image."""
        ...

    def all_predictions(self) -> list[str]:
        """Return every predictions file of a network."""
        ...

    def changed(self, view: str) -> list[str]:
        """Return what of a view is not as the paper has it, as `list_changes` writes it."""
        ...


@dataclass(frozen=True)
class Target:
    """A figure or a table of a paper, as one rule makes it.

    Attributes
    ----------
    name
        Of its files, without suffix: fig1, table1, skill.
    script
        In scripts/, without suffix: figures/scutt_fig1.
    inputs, params
        By name. An input that is `Available` may lack files.
    caption
        In workflow/report/, without suffix.
    title
        What it shows, in a few words.
    """

    name: str
    script: str
    inputs: dict
    params: dict
    caption: str
    title: str

    @property
    def suffixes(self) -> tuple[str, str]:
        """Give the suffixes of its files."""
        return ("pdf", "png") if self.script.startswith("figures/") else ("csv", "tex")

    @property
    def shown(self) -> str:
        """Give the suffix of the file that the report shows."""
        return "png" if "png" in self.suffixes else "csv"

    @property
    def label(self) -> str:
        """Name it so that a sorted list is in the paper's order: 05, 14, skill, table 1."""
        number = self.name.removeprefix("fig")
        position = number.zfill(2) if number.isdigit() else number.replace("table", "table ")
        return f"{position}  {self.title}"


class Available(list):
    """Files of which those count that are here or can be made, where predictions are released."""


def shard_rows(n: int, size: int) -> list[tuple[int, int]]:
    """Return the first and last (exclusive) row of each file of a data set."""
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def architecture(networks: dict, network: str) -> dict:
    """Return the parts of a training spec that describe a network of the config."""
    layers = dict(networks[network])
    targets, scalars = layers.pop("targets"), layers.pop("scalars")
    return {"targets": targets, "scalars": scalars, "network": layers}


def compose_training(config: dict, network: str, seed: int, images: dict) -> dict:
    """Return the spec of a training.

    Parameters
    ----------
    config
        A paper's part of the config.
    network, seed
        Name of the network, and the training seed.
    images
        Spec of the training images.
    """
    settings = {key: value for key, value in config["training"].items() if key != "seeds"}
    return {
        **architecture(config["networks"], network),
        "seed": int(seed),
        "images": images,
        **settings,
    }


def settings_behind(paper: Paper, path) -> dict:
    """Return what a predictions file should have been made with, as its path says it.

    Parameters
    ----------
    paper
        Whose predictions they are.
    path
        ``.../<view>/<estimate>_seed<seed>.h5``.

    Returns
    -------
    dict
        As `records.migrations.check_predictions` takes it.
    """
    path = Path(path)
    view, (estimate, seed) = path.parent.name, estimate_and_seed(path)
    n_from = paper.source_of_n(estimate)
    return {
        "training": paper.estimate_spec(estimate, view, seed),
        "images": paper.images_spec(view, "test"),
        "target": " ".join(paper.labels_of(estimate, view)),
        "n_from": n_from if n_from in ("truth", "none") else f"{n_from}_seed{seed}.h5",
    }


def changes_by_view(paper: Paper, views: Iterable[str]) -> dict[str, list[str]]:
    """Return what is not as the paper has it of those of some views that are changed."""
    return {view: changes for view in views if (changes := paper.changed(view))}


def list_changes(printed: dict, own: dict) -> list[str]:
    """Return what of a description is not as printed: ``survey.seeing 0.34 (0.17)``."""
    return [
        f"{key.removeprefix('survey.').removeprefix('view.')} {plain_text(new)} ({plain_text(old)})"
        for key, old, new in changes(printed, own)
    ]


def mark_changes(table: pd.DataFrame, changed: Mapping[str, list[str]], *shown) -> pd.DataFrame:
    """Add a column ``changed`` to a table if anything that it shows is not as the paper has it.

    Parameters
    ----------
    table
        One row for each entry of `shown`.
    changed
        Changes by view, or sample, as `list_changes` writes them.
    shown
        Views, or samples, that a row shows: a list each, of the length of the table.
    """
    rows = [
        [change for name in names for change in changed.get(name, ())]
        for names in zip(*shown, strict=True)
    ]
    texts = ["; ".join(dict.fromkeys(row)) for row in rows]
    return table.assign(changed=texts) if any(texts) else table


def stamp_changes(changed: list[str], shown: int = 3) -> str:
    """Write changes as the end of a stamp or of a caption; nothing if there are none."""
    changed = list(dict.fromkeys(changed))
    if not changed:
        return ""
    more = f" and {len(changed) - shown} more" if len(changed) > shown else ""
    return f"; not as the paper: {', '.join(changed[:shown])}{more}"


def describe_epochs(training: dict) -> str:
    """Return how long networks trained: 20 epochs, or at most 100 if patience may end it."""
    epochs, patience = training["epochs"], training["patience"]
    text = f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs"
    return text if patience is None or patience >= epochs else f"at most {text}"
