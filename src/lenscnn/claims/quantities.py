"""What a run has made, as the formulas of claims ask for it; each paper adds its quantities.

The rows of a bootstrap resample depend on the number of test images alone, so numbers from two
views of the same lenses are paired.
"""

import functools
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from lenscnn.claims.formulas import FormulaError, Quantity
from lenscnn.core import storage
from lenscnn.stats.bootstrap import resampled_rows
from lenscnn.stats.over_seeds import estimate_and_seed


class NotComputed(Exception):
    """A formula asks for what the run is still to make, or what it has no place for."""


@dataclass
class RunResults:
    """What one variant of a paper has made. A paper's subclass has the quantities as methods.

    A method that a formula may call takes the training seed (None where no network is behind it)
    and the formula's arguments, and returns a `formulas.Quantity`.

    Attributes
    ----------
    predictions
        Paths of predictions files, by view, estimate and training seed (`list_predictions`): of all
        that the run makes, whether or not it has made them yet.
    resamples
        Bootstrap resamples.
    epochs, images
        The run that the files must be of: epochs of training, test images by view.
    samples
        Paths of the catalogues of test lenses, by name of the sample.
    lenses
        By name of the sample, how many test lenses the run has.
    networks
        By name: training ``spec`` and ``image_shape``, as `nn.network.build` takes them.
    changed
        By name of the view or sample: what of it is not as the paper has it.
    """

    predictions: dict[str, dict[str, dict[int, list[str]]]]
    resamples: int
    epochs: int
    images: dict[str, int]
    samples: dict[str, list[str]] = field(default_factory=dict)
    lenses: dict[str, int] = field(default_factory=dict)
    networks: dict[str, dict] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)

    OF_NETWORKS: ClassVar[set[str]] = set()
    """Methods that read predictions of one training seed."""

    OF_SAMPLES: ClassVar[set[str]] = set()
    """Methods that read catalogues of lenses."""

    FUNCTIONS: ClassVar[set[str]] = {"parameters"}
    """Methods that formulas may call."""

    CONSTANTS: ClassVar[dict[str, list]] = {}
    """Lists that formulas know by name."""

    def files(self, name: str):
        """Return what is behind the name of a view or sample; None if nothing is."""
        return self.predictions.get(name) or self.samples.get(name)

    def seeds(self) -> list[int]:
        """Return the training seeds of the networks."""
        files = self.predictions.values()
        return sorted({seed for view in files for seeds in view.values() for seed in seeds})

    def renamed(self, names: dict[str, str]) -> "RunResults":
        """Return these results with views and samples under the names they stand for.

        Parameters
        ----------
        names
            Other view or sample by the one it stands for. A view brings the network trained on
            it; views and samples that are not named are left out.
        """
        views = {name: other for name, other in names.items() if other in self.predictions}
        samples = {name: other for name, other in names.items() if other in self.samples}
        return replace(
            self,
            predictions={
                name: {name: self.predictions[other][other]} for name, other in views.items()
            },
            samples={name: self.samples[other] for name, other in samples.items()},
            lenses={name: self.lenses[other] for name, other in samples.items()},
            changed={
                name: self.changed[other]
                for name, other in (views | samples).items()
                if other in self.changed
            },
        )

    def functions(self, seed: int | None) -> dict:
        """Return `FUNCTIONS` by name, of the networks of one training seed."""
        return {name: functools.partial(getattr(self, name), seed) for name in self.FUNCTIONS}

    def parameters(self, seed, name) -> Quantity:
        """Count the trainable parameters of a network, on the module."""
        from lenscnn.nn import network  # here, for torch takes seconds to import

        n = network.count_parameters(network.build(**self.networks[name]))
        return Quantity(np.array([[n]], float), ("parameters",))

    def path(self, view, estimate, seed) -> str:
        """Return the predictions file of an estimate, of a run like this one.

        Raises
        ------
        NotComputed
            If the configuration has none, or it is still to be made.
        FormulaError, DataFileError
            If there are two of it, or it is of another run.
        """
        try:
            paths = self.predictions[view][estimate][seed]
        except KeyError:
            there = sorted(self.predictions.get(view, self.predictions))
            raise NotComputed(
                f"no predictions of view {view!r} by network {estimate!r}, seed {seed}, in this "
                f"configuration; there are {', '.join(there)}"
            ) from None
        if len(paths) > 1:
            raise FormulaError(f"{' and '.join(paths)} are predictions of the same thing")
        path = paths[0]
        must_exist(path)
        _check_run(path, self.epochs, self.images.get(Path(path).parent.name))
        return path


def list_predictions(paths: list) -> dict[str, dict[str, dict[int, list[str]]]]:
    """List predictions files, ``.../<view>/<estimate>_seed<seed>.h5``, by these three."""
    found = {}
    for path in map(str, paths):
        view, (estimate, seed) = Path(path).parent.name, estimate_and_seed(path)
        found.setdefault(view, {}).setdefault(estimate, {}).setdefault(seed, []).append(path)
    return found


def as_list(value) -> list:
    """Return a list as it is, and anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def with_resamples(function, arrays, resamples: int) -> np.ndarray:
    """Apply a function that reduces last axes to arrays (..., n), then to each resample of them."""
    blocks = [np.asarray(function(*arrays))[..., None]]
    for rows in resampled_rows(arrays[0].shape[-1], resamples):
        blocks.append(function(*(array[..., rows] for array in arrays)))
    return np.concatenate(blocks, axis=-1)


read_results = functools.cache(storage.read_h5)
"""`storage.read_h5`, once for each file."""


def must_exist(path: str) -> None:
    """Raise NotComputed if a file is not there."""
    if not Path(path).exists():
        raise NotComputed(f"not run yet: {path}")


def _check_run(path: str, epochs: int, images: int | None) -> None:
    arrays, attrs = read_results(path)
    trained = json.loads(attrs.get("spec", "{}")).get("training", {}).get("epochs")
    found = {"epochs": trained, "test images": len(arrays.get("true", ()))}
    for name, expected in (("epochs", epochs), ("test images", images)):
        if found[name] != expected:
            raise storage.DataFileError(
                f"{path} is of a run with {found[name]} {name}, this configuration has {expected}: "
                "is it of another scale?"
            )


def labels_of(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of a file."""
    return read_results(path)[0]


def target_of(path: str) -> str:
    """Return what a predictions file has estimates of."""
    return read_results(path)[1]["target"]
