"""Quantities that the claims on Scutt ask for."""

import functools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from lenscnn.claims.formulas import Quantity
from lenscnn.claims.quantities import (
    NotComputed,
    RunResults,
    as_list,
    labels_of,
    target_of,
    with_resamples,
)
from lenscnn.papers.scutt import metrics
from lenscnn.papers.scutt.specs import Scutt

_STATISTICS = (*metrics.STATISTICS, "mean_true")


@dataclass
class ScuttResults(RunResults):
    """What one variant of Scutt has made.

    Attributes
    ----------
    geometry
        By view: ``theta_E`` and ``pixel_scale``, arcsec.
    """

    geometry: dict[str, dict] = field(default_factory=dict)

    OF_NETWORKS: ClassVar[set[str]] = {"stat", "lowest", "largest_excess", "share", "mean_n"}
    FUNCTIONS: ClassVar[set[str]] = OF_NETWORKS | {"parameters", "pixels"}
    CONSTANTS: ClassVar[dict[str, list]] = {
        "ALPHAS": ["alpha-1.6", "alpha-1.8", "alpha-2.0", "alpha-2.2", "alpha-2.4"]
    }

    def stat(self, seed, view, estimate, subsets, statistic) -> Quantity:
        """Return one of Scutt's statistics, or ``mean_true``, of an estimate on some subsets."""
        path = self.path(view, estimate, seed)
        row = _STATISTICS.index(statistic)
        values = [_statistics(path, subset, self.resamples)[row] for subset in as_list(subsets)]
        unit = "1" if statistic in ("gradient", "skill", "correlation") else target_of(path)
        return Quantity(np.stack(values), (unit,) * len(values))

    def lowest(self, seed, view, estimate) -> Quantity:
        """Return the lowest estimate on subset ``varied``."""
        return self._varied(seed, view, estimate, lambda true, predicted: predicted.min(axis=-1))

    def largest_excess(self, seed, view, estimate, above) -> Quantity:
        """Return the largest estimate minus truth on ``varied``, the truth above a number."""

        def excess(true, predicted):
            return np.where(true > above, predicted - true, -np.inf).max(axis=-1)

        return self._varied(seed, view, estimate, excess)

    def share(self, seed, view, estimate, column, low, high) -> Quantity:
        """Return the share of ``varied`` whose ``true`` or ``predicted`` is between two numbers."""

        def inside(true, predicted):
            values = {"true": true, "predicted": predicted}[column]
            return ((values > low) & (values < high)).mean(axis=-1)

        return Quantity(self._varied(seed, view, estimate, inside).values, ("1",))

    def mean_n(self, seed, view, estimate, alpha) -> Quantity:
        """Return the mean true N at an alpha, from a cubic through subset ``varied``."""
        labels = labels_of(self.path(view, estimate, seed))
        chosen = labels["subset"] == metrics.VARIED

        def at_alpha(slope, n):
            powers = (slope - alpha)[..., None] ** np.arange(4)
            normal = np.einsum("...ni,...nj->...ij", powers, powers)
            right = np.einsum("...ni,...n->...i", powers, n)
            return np.linalg.solve(normal, right[..., None])[..., 0, 0]

        arrays = (labels["alpha"][chosen], labels["N"][chosen])
        return Quantity(with_resamples(at_alpha, arrays, self.resamples)[None], ("N",))

    def pixels(self, seed, view) -> Quantity:
        """Count the pixels in the disc of radius 2 theta_E of a view's fixed geometry."""
        theta_E, pixel_scale = (self.geometry[view][key] for key in ("theta_E", "pixel_scale"))
        return Quantity(np.array([[np.pi * (2 * theta_E / pixel_scale) ** 2]]), ("pixels",))

    def _varied(self, seed, view, estimate, function) -> Quantity:
        path = self.path(view, estimate, seed)
        arrays, chosen = labels_of(path), labels_of(path)["subset"] == metrics.VARIED
        pair = (arrays["true"][chosen], arrays["predicted"][chosen])
        return Quantity(with_resamples(function, pair, self.resamples)[None], (target_of(path),))


@functools.cache
def _statistics(path: str, subset: str, resamples: int) -> np.ndarray:
    """Return `_STATISTICS` of a subset, one row each, shape (k, 1 + resamples)."""
    arrays = labels_of(path)
    chosen = arrays["subset"] == subset
    if not chosen.any():
        raise NotComputed(
            f"no subset {subset!r} in this configuration; there are "
            + ", ".join(sorted(set(arrays["subset"])))
        )

    def all_of_them(true, predicted):
        values = metrics.statistics(true, predicted)
        return np.stack([*values.values(), true.mean(axis=-1)])

    return with_resamples(
        all_of_them, (arrays["true"][chosen], arrays["predicted"][chosen]), resamples
    )


def describe_run(paper: Scutt, printed: Scutt) -> dict:
    """Return what `ScuttResults` takes beside the files.

    Parameters
    ----------
    paper
        As the run is configured.
    printed
        As the paper has it, for the numbers of its networks' parameters: smaller scales have
        smaller networks.
    """
    config, views = paper.config, ("fixed", "lowres")
    pixels = config["views"]["fixed"]["n_pix"]
    return {
        "changed": {name: changed for name in [*paper.views] if (changed := paper.changed(name))},
        "resamples": config["evaluation"]["bootstrap"],
        "epochs": config["training"]["epochs"],
        "images": dict.fromkeys(paper.views, paper.n_images("test")),
        "networks": {
            name: {"spec": printed.network(name), "image_shape": [1, pixels, pixels]}
            for name in printed.networks_of("fixed")
        },
        "geometry": {
            view: {
                "theta_E": config["samples"]["fixed"]["theta_E"],
                "pixel_scale": config["views"][view]["pixel_scale"],
            }
            for view in views
        },
    }
