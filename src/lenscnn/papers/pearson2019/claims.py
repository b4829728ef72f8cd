"""Quantities that the claims on Pearson et al. 2019 ask for."""

import functools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from lenscnn.claims.formulas import FormulaError, Quantity
from lenscnn.claims.quantities import (
    RunResults,
    as_list,
    labels_of,
    must_exist,
    with_resamples,
)
from lenscnn.core import storage
from lenscnn.papers.pearson2019 import metrics, selection
from lenscnn.papers.pearson2019.specs import CAMERAS, CORE_VIEWS, Pearson2019

_NO_FIT = "moments: the Gaussian fit has its mean outside the sample"

_UNITS = {"theta_E": "arcsec", "phi": "rad", "sigma_v": "km/s"}


@dataclass
class Pearson2019Results(RunResults):
    """What one reading of Pearson et al. 2019 has made.

    Attributes
    ----------
    scatter
        Multiples of the usual scatter of the light about the mass, by view, for the networks
        (``train``) and the test sets (``test``).
    """

    scatter: dict[str, dict] = field(default_factory=dict)

    OF_NETWORKS: ClassVar[set[str]] = {"rms", "steadiest"}
    OF_SAMPLES: ClassVar[set[str]] = {"fit"}
    FUNCTIONS: ClassVar[set[str]] = OF_NETWORKS | OF_SAMPLES | {"parameters"}
    CONSTANTS: ClassVar[dict[str, list]] = {
        "LENS": ["theta_E", "phi", "ellipticity"],
        "PARAMETERS": list(metrics.PARAMETERS),
        **{
            light.upper(): [f"{camera}_{light}" for camera in CAMERAS]
            for light in ("removed", "kept", "bright")
        },
    }

    def rms(self, seed, views, targets, network=None, snr=None) -> Quantity:
        """Return the RMS errors of lens parameters: of each view, those of each target.

        Each view is seen by the network trained on it, or by the one named (one for each view);
        `snr` keeps images of a signal-to-noise ratio between two numbers only.
        """
        views, targets = as_list(views), as_list(targets)
        estimates = views if network is None else as_list(network)
        rows = [metrics.PARAMETERS.index(target) for target in targets]
        values = [
            _lens_rms(self.path(view, name, seed), tuple(snr or ()), self.resamples)[rows]
            for view, name in zip(views, estimates, strict=True)
        ]
        units = [_UNITS.get(target, "1") for target in targets]
        return Quantity(np.concatenate(values), tuple(units * len(views)))

    def steadiest(self, seed) -> Quantity:
        """Return the scatter of light about mass to train with, for the steadiest estimates.

        In multiples of the usual scatter. The RMS error of each network is taken relative to the
        best network's on the same test set, and averaged over test sets and lens parameters.
        """
        train, test = self.scatter["train"], self.scatter["test"]
        errors = np.stack([
            [self.rms(seed, view, self.CONSTANTS["LENS"], network=name).values for view in test]
            for name in train
        ])  # fmt: skip  # (networks, test sets, parameters, 1 + resamples)
        regret = (errors / errors.min(axis=0)).mean(axis=(1, 2))
        return Quantity(np.array(list(train.values()))[regret.argmin(axis=0)][None], ("1",))

    def fit(self, seed, sample, quantity, moment) -> Quantity:
        """Return the mean or sd of the Gaussian fitted to a histogram of a sample of lenses.

        Or the moments of the sample, where the fit is none (`selection.resampled_fits`).
        """
        if sample not in self.samples:
            raise FormulaError(f"no sample {sample!r}; there are {sorted(self.samples)}")
        for path in self.samples[sample]:
            must_exist(path)
        paths = tuple(self.samples[sample])
        count = sum(len(labels_of(path)[quantity]) for path in paths)
        if count != self.lenses[sample]:
            raise storage.DataFileError(
                f"{paths[0]} and the others of {sample} hold {count} lenses, this configuration "
                f"has {self.lenses[sample]}: are they of another scale?"
            )
        method, fits = _fits(paths, quantity, self.resamples)
        values = fits[None, :, ["amplitude", "mean", "sd"].index(moment)]
        note = _NO_FIT if method == selection.MOMENTS else ""
        return Quantity(values, (_UNITS.get(quantity, "1"),), note)


@functools.cache
def _lens_rms(path: str, snr: tuple[float, ...], resamples: int) -> np.ndarray:
    """Return the RMS error of each of `metrics.PARAMETERS`, shape (5, 1 + resamples)."""
    true, predicted, labels = metrics.read_predictions(path)
    error = metrics.errors(true, predicted)
    square = np.stack([error[name] for name in metrics.PARAMETERS]) ** 2
    if snr:
        square = square[:, (labels["snr"] >= snr[0]) & (labels["snr"] < snr[1])]
    if square.shape[1] < metrics.MIN_LENSES:
        return np.full((len(square), 1 + resamples), np.nan)
    return np.sqrt(with_resamples(lambda values: values.mean(axis=-1), (square,), resamples))


@functools.cache
def _fits(paths: tuple[str, ...], quantity: str, resamples: int) -> tuple[str, np.ndarray]:
    """Return method and Gaussian fits of a sample, as `selection.resampled_fits`."""
    values = np.concatenate([labels_of(path)[quantity] for path in paths])
    return selection.resampled_fits(values, resamples)


LITERAL = {
    **{view: view.replace("vis_", "vis_dark_") for view in CORE_VIEWS},
    **{sample: f"{sample}_literal" for sample in ("euclid", "lsst")},
}
"""What a view or sample is if the text is read literally: dark current, population."""


def describe_run(paper: Pearson2019, printed: Pearson2019) -> dict:
    """Return what `Pearson2019Results` takes beside the files.

    Parameters
    ----------
    paper
        As the run is configured.
    printed
        As the paper has it, for the numbers of its network's parameters.
    """
    config = paper.config
    n_test = {sample: draw["n_test"] for sample, draw in config["samples"].items()}
    return {
        "changed": {
            name: changed
            for name in [*paper.views, *paper.samples]
            if (changed := paper.changed(name))
        },
        "resamples": config["evaluation"]["bootstrap"],
        "epochs": config["training"]["epochs"],
        "images": {view: n_test[paper.sample_of(view)] for view in paper.tested_on},
        "networks": {
            camera: {"spec": printed.network(), "image_shape": printed.image_shape(camera)}
            for camera in ("vis", "gri")
        },
        "scatter": paper.scatter_views["both"],
        "lenses": n_test,
    }


def trained_unevenly(paper: Pearson2019) -> bool:
    """Return whether networks of the two dark currents are trained on unlike numbers of images."""
    draws = paper.config["samples"]
    n_train = {draws[paper.camera_sample(camera)]["n_train"] for camera in ("vis", "vis_dark")}
    return len(n_train) > 1
