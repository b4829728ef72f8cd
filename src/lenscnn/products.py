"""What the pipeline made of a paper, and the functions of it that formulas may call.

The rows of a bootstrap resample depend on the number of test images alone, so numbers from two
views of the same lenses are paired.
"""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lenscnn import lens_metrics, metrics, selection, storage
from lenscnn.formulas import FormulaError, Quantity

OF_NETWORKS = {"rms", "stat", "lowest", "largest_excess", "share", "mean_n", "steadiest"}
"""Functions that read predictions of one training seed."""

OF_SAMPLES = {"fit"}
"""Functions that read catalogues of lenses."""

FUNCTIONS = OF_NETWORKS | OF_SAMPLES | {"parameters", "pixels"}
"""Methods of `Products` that formulas may call; the last two need the config alone."""

_CAMERAS = ("vis", "r", "gri")

CONSTANTS = {
    "LENS": ["theta_E", "phi", "ellipticity"],
    "PARAMETERS": list(lens_metrics.PARAMETERS),
    "REMOVED": [f"{camera}_removed" for camera in _CAMERAS],
    "KEPT": [f"{camera}_kept" for camera in _CAMERAS],
    "BRIGHT": [f"{camera}_bright" for camera in _CAMERAS],
    "ALPHAS": ["alpha-1.6", "alpha-1.8", "alpha-2.0", "alpha-2.2", "alpha-2.4"],
}
"""Lists that formulas know by name."""

_UNITS = {"theta_E": "arcsec", "phi": "rad", "sigma_v": "km/s"}
_STATISTICS = (*metrics.STATISTICS, "mean_true")


class NotMade(Exception):
    """A formula asks for what the run is still to make, or what it has no place for."""


@dataclass
class Products:
    """What one reading of a paper has made, and the functions that formulas may call on it.

    Attributes
    ----------
    predictions
        Paths of predictions files, by view, estimate and training seed (`catalogue`): of all that
        the run makes, whether or not it has made them yet.
    resamples
        Bootstrap resamples.
    epochs, images
        The run that the files must be of: epochs of training, test images by view.
    samples
        Paths of the catalogues of test lenses, by name of the sample.
    lenses
        By name of the sample, how many test lenses the run has.
    networks
        By name: training ``spec`` and ``image_shape``, as `networks.build` takes them.
    geometry
        By view: ``theta_E`` and ``pixel_scale``, arcsec.
    scatter
        Multiples of the usual scatter of the light about the mass, by view, for the networks
        (``train``) and the test sets (``test``).
    """

    predictions: dict[str, dict[str, dict[int, list[str]]]]
    resamples: int
    epochs: int
    images: dict[str, int]
    samples: dict[str, list[str]] = field(default_factory=dict)
    lenses: dict[str, int] = field(default_factory=dict)
    networks: dict[str, dict] = field(default_factory=dict)
    geometry: dict[str, dict] = field(default_factory=dict)
    scatter: dict[str, dict] = field(default_factory=dict)

    def files(self, name: str):
        """What is behind the name of a view or sample; None if nothing is."""
        return self.predictions.get(name) or self.samples.get(name)

    def seeds(self) -> list[int]:
        """Training seeds of the networks."""
        files = self.predictions.values()
        return sorted({seed for view in files for seeds in view.values() for seed in seeds})

    def renamed(self, names: dict[str, str]) -> "Products":
        """The products as they are if each of these views and samples stands for another.

        Parameters
        ----------
        names
            Other view or sample by the one it stands for. A view brings the network trained on
            it; views and samples that are not named are left out.
        """
        views = {name: other for name, other in names.items() if other in self.predictions}
        samples = {name: other for name, other in names.items() if other in self.samples}
        return Products(
            {name: {name: self.predictions[other][other]} for name, other in views.items()},
            self.resamples,
            self.epochs,
            self.images,
            {name: self.samples[other] for name, other in samples.items()},
            {name: self.lenses[other] for name, other in samples.items()},
        )

    def functions(self, seed: int | None) -> dict:
        """`FUNCTIONS` by name, of the networks of one training seed."""
        return {name: functools.partial(getattr(self, name), seed) for name in FUNCTIONS}

    def rms(self, seed, views, targets, network=None, snr=None) -> Quantity:
        """RMS errors of lens parameters: of each view, those of each target.

        Each view is seen by the network trained on it, or by the one named (one for each view);
        `snr` keeps images of a signal-to-noise ratio between two numbers only.
        """
        views, targets = _listed(views), _listed(targets)
        estimates = views if network is None else _listed(network)
        rows = [lens_metrics.PARAMETERS.index(target) for target in targets]
        values = [
            _lens_rms(self._path(view, name, seed), tuple(snr or ()), self.resamples)[rows]
            for view, name in zip(views, estimates, strict=True)
        ]
        units = [_UNITS.get(target, "1") for target in targets]
        return Quantity(np.concatenate(values), tuple(units * len(views)))

    def stat(self, seed, view, estimate, subsets, statistic) -> Quantity:
        """One of `metrics.STATISTICS`, or ``mean_true``, of an estimate on some subsets."""
        path = self._path(view, estimate, seed)
        row = _STATISTICS.index(statistic)
        values = [_statistics(path, subset, self.resamples)[row] for subset in _listed(subsets)]
        unit = "1" if statistic in ("gradient", "skill", "correlation") else _target(path)
        return Quantity(np.stack(values), (unit,) * len(values))

    def lowest(self, seed, view, estimate) -> Quantity:
        """Lowest estimate on subset ``varied``."""
        return self._varied(seed, view, estimate, lambda true, predicted: predicted.min(axis=-1))

    def largest_excess(self, seed, view, estimate, above) -> Quantity:
        """Largest estimate minus truth on subset ``varied`` where the truth is above a number."""

        def excess(true, predicted):
            return np.where(true > above, predicted - true, -np.inf).max(axis=-1)

        return self._varied(seed, view, estimate, excess)

    def share(self, seed, view, estimate, column, low, high) -> Quantity:
        """Share of subset ``varied`` whose ``true`` or ``predicted`` is between two numbers."""

        def inside(true, predicted):
            values = {"true": true, "predicted": predicted}[column]
            return ((values > low) & (values < high)).mean(axis=-1)

        return Quantity(self._varied(seed, view, estimate, inside).values, ("1",))

    def mean_n(self, seed, view, estimate, alpha) -> Quantity:
        """Mean true N at an alpha, from a cubic through subset ``varied``."""
        labels = _labels(self._path(view, estimate, seed))
        chosen = labels["subset"] == metrics.VARIED

        def at_alpha(slope, n):
            powers = (slope - alpha)[..., None] ** np.arange(4)
            normal = np.einsum("...ni,...nj->...ij", powers, powers)
            right = np.einsum("...ni,...n->...i", powers, n)
            return np.linalg.solve(normal, right[..., None])[..., 0, 0]

        arrays = (labels["alpha"][chosen], labels["N"][chosen])
        return Quantity(_resampled(at_alpha, arrays, self.resamples)[None], ("N",))

    def steadiest(self, seed) -> Quantity:
        """Scatter of light about mass to train with, for the steadiest estimates over test sets.

        In multiples of the usual scatter. The RMS error of each network is taken relative to the
        best network's on the same test set, and averaged over test sets and lens parameters.
        """
        train, test = self.scatter["train"], self.scatter["test"]
        errors = np.stack([
            [self.rms(seed, view, CONSTANTS["LENS"], network=name).values for view in test]
            for name in train
        ])  # fmt: skip  # (networks, test sets, parameters, 1 + resamples)
        regret = (errors / errors.min(axis=0)).mean(axis=(1, 2))
        return Quantity(np.array(list(train.values()))[regret.argmin(axis=0)][None], ("1",))

    def fit(self, seed, sample, quantity, moment) -> Quantity:
        """Mean or sd of the Gaussian fitted to a histogram of a sample of lenses."""
        if sample not in self.samples:
            raise FormulaError(f"no sample {sample!r}; there are {sorted(self.samples)}")
        for path in self.samples[sample]:
            _must_exist(path)
        paths = tuple(self.samples[sample])
        count = sum(len(_labels(path)[quantity]) for path in paths)
        if count != self.lenses[sample]:
            raise storage.DataFileError(
                f"{paths[0]} and the others of {sample} hold {count} lenses, this configuration "
                f"has {self.lenses[sample]}: are they of another scale?"
            )
        values = _fits(paths, quantity, self.resamples)
        return Quantity(values[["mean", "sd"].index(moment)][None], (_UNITS.get(quantity, "1"),))

    def parameters(self, seed, name) -> Quantity:
        """Trainable parameters of a network, counted on the module."""
        from lenscnn import networks  # here, for torch takes seconds to import

        network = networks.build(**self.networks[name])
        return Quantity(np.array([[networks.count_parameters(network)]], float), ("parameters",))

    def pixels(self, seed, view) -> Quantity:
        """Pixels in the disc of radius 2 theta_E of a view's fixed geometry."""
        theta_E, pixel_scale = (self.geometry[view][key] for key in ("theta_E", "pixel_scale"))
        return Quantity(np.array([[np.pi * (2 * theta_E / pixel_scale) ** 2]]), ("pixels",))

    def _varied(self, seed, view, estimate, function) -> Quantity:
        path = self._path(view, estimate, seed)
        arrays, chosen = _labels(path), _labels(path)["subset"] == metrics.VARIED
        pair = (arrays["true"][chosen], arrays["predicted"][chosen])
        return Quantity(_resampled(function, pair, self.resamples)[None], (_target(path),))

    def _path(self, view, estimate, seed) -> str:
        try:
            paths = self.predictions[view][estimate][seed]
        except KeyError:
            there = sorted(self.predictions.get(view, self.predictions))
            raise NotMade(
                f"no predictions of view {view!r} by network {estimate!r}, seed {seed}, in this "
                f"configuration; there are {', '.join(there)}"
            ) from None
        if len(paths) > 1:
            raise FormulaError(f"{' and '.join(paths)} are predictions of the same thing")
        path = paths[0]
        _must_exist(path)
        _check_run(path, self.epochs, self.images.get(Path(path).parent.name))
        return path


def catalogue(paths: list) -> dict[str, dict[str, dict[int, list[str]]]]:
    """Paths of predictions files, ``.../<view>/<estimate>_seed<seed>.h5``, by these three."""
    found = {}
    for path in map(str, paths):
        view, (estimate, seed) = Path(path).parent.name, metrics.estimate_and_seed(path)
        found.setdefault(view, {}).setdefault(estimate, {}).setdefault(seed, []).append(path)
    return found


def _listed(value) -> list:
    return value if isinstance(value, list) else [value]


def _resampled(function, arrays, resamples: int) -> np.ndarray:
    """A function that reduces last axes, of arrays (..., n): on them, then on each resample."""
    blocks = [np.asarray(function(*arrays))[..., None]]
    for rows in metrics.resampled_rows(arrays[0].shape[-1], resamples):
        blocks.append(function(*(array[..., rows] for array in arrays)))
    return np.concatenate(blocks, axis=-1)


_read = functools.cache(storage.read_h5)


def _must_exist(path: str) -> None:
    if not Path(path).exists():
        raise NotMade(f"not run yet: {path}")


def _check_run(path: str, epochs: int, images: int | None) -> None:
    arrays, attrs = _read(path)
    trained = json.loads(attrs.get("spec", "{}")).get("training", {}).get("epochs")
    found = {"epochs": trained, "test images": len(arrays.get("true", ()))}
    for name, expected in (("epochs", epochs), ("test images", images)):
        if found[name] != expected:
            raise storage.DataFileError(
                f"{path} is of a run with {found[name]} {name}, this configuration has {expected}: "
                "is it of another scale?"
            )


def _labels(path: str) -> dict[str, np.ndarray]:
    return _read(path)[0]


def _target(path: str) -> str:
    return _read(path)[1]["target"]


@functools.cache
def _lens_rms(path: str, snr: tuple[float, ...], resamples: int) -> np.ndarray:
    """RMS error of each of `lens_metrics.PARAMETERS`, shape (5, 1 + resamples)."""
    true, predicted, labels = lens_metrics.read_predictions(path)
    error = lens_metrics.errors(true, predicted)
    square = np.stack([error[name] for name in lens_metrics.PARAMETERS]) ** 2
    if snr:
        square = square[:, (labels["snr"] >= snr[0]) & (labels["snr"] < snr[1])]
    if square.shape[1] < lens_metrics.FEWEST:
        return np.full((len(square), 1 + resamples), np.nan)
    return np.sqrt(_resampled(lambda values: values.mean(axis=-1), (square,), resamples))


@functools.cache
def _statistics(path: str, subset: str, resamples: int) -> np.ndarray:
    """`_STATISTICS` of a subset, one row each, shape (k, 1 + resamples)."""
    arrays = _labels(path)
    chosen = arrays["subset"] == subset
    if not chosen.any():
        raise NotMade(
            f"no subset {subset!r} in this configuration; there are "
            + ", ".join(sorted(set(arrays["subset"])))
        )

    def all_of_them(true, predicted):
        values = metrics.statistics(true, predicted)
        return np.stack([*values.values(), true.mean(axis=-1)])

    return _resampled(all_of_them, (arrays["true"][chosen], arrays["predicted"][chosen]), resamples)


@functools.cache
def _fits(paths: tuple[str, ...], quantity: str, resamples: int) -> np.ndarray:
    """Mean and sd of Gaussian fits to a sample, shape (2, 1 + fits); see `resampled_fits`."""
    values = np.concatenate([_labels(path)[quantity] for path in paths])
    return selection.resampled_fits(values, resamples)[:, 1:].T
