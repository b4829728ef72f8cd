"""Least errors of theta_E, e1 and e2 in each image, from what the image and the population tell."""

from collections.abc import Callable

import numpy as np

from lenscnn.information.fisher import (
    bounds,
    conditional_prior,
    information,
    information_in_variance,
    prior_of,
    without_scale,
)
from lenscnn.papers.pearson2019.limits.model import (
    Shapes,
    differentiate_lens_light,
    differentiate_sources,
    expected_images,
    galaxy_jacobian,
)
from lenscnn.papers.pearson2019.limits.parameters import names_of, to_vectors
from lenscnn.papers.pearson2019.metrics import ESTIMATED
from lenscnn.papers.pearson2019.systems import realigned, take

KINDS = {
    "known_source": "the image, if all but theta_E, e1 and e2 were known",
    "image": "the image alone",
    "scaled": "the image alone, its zero and its scale unknown",
    "aligned": "the image, and how lens light follows mass",
    "informed": "the image and the population",
    "informed_scaled": "the image and the population, the image's zero and scale unknown",
}
"""What the estimates may be made from. Lens light that was removed shows in the image's noise.

A network sees images scaled to 0-1, and learns the population of its training set, which is not
that of the test set.
"""

COLUMNS = ("theta_E", "e1", "e2", "correlation")
"""Columns of each bound: standard deviations (arcsec, dimensionless) and correlation of e1, e2."""

CHUNK = 64
"""Lenses whose derivatives are held together."""

_SIGNIFICANT_BITS = 12


def limits_in_chunks(
    population: dict,
    views: dict[str, dict],
    lenses: dict,
    report: Callable[[int], None] = lambda n: None,
) -> dict[str, dict[str, np.ndarray]]:
    """Compute the bounds of several views of the same lenses, whose sources are drawn once.

    Parameters
    ----------
    population
        Spec of the catalogue.
    views
        ``bands``, ``visits``, ``lens_light`` (kept or removed) and ``light_of_mass`` (as for
        `systems.realigned`) of each.
    lenses : dict of ndarray, shape (n,)
        The whole test set, as drawn: a view's prior has the second moments of its lenses.
    report
        Is told how many lenses were done.

    Returns
    -------
    dict of dict of ndarray
        By view: each of `KINDS`, float32, (n, 4), with the `COLUMNS`; ``singular``, bool, (n,):
        where the image alone does not tell all parameters apart, and its bounds are infinite.
    """
    survey, scene, n = population["survey"], population["scene"], len(lenses["index"])
    alike: dict[str, list[str]] = {}
    for name, view in views.items():
        alike.setdefault(str(view["light_of_mass"]), []).append(name)
    groups = [
        (names, realigned(population, "test", lenses, views[names[0]]["light_of_mass"]))
        for names in alike.values()
    ]
    priors = {name: _priors(views[name], seen) for names, seen in groups for name in names}
    parts: dict[str, list[dict]] = {name: [] for name in views}
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        sources = differentiate_sources(survey, scene, take(lenses, rows))
        for names, seen in groups:
            few = take(seen, rows)
            shapes = Shapes(sources, differentiate_lens_light(survey, scene, few))
            for name in names:
                parts[name].append(bounds_of(survey, views[name], few, shapes, priors[name]))
        report(len(lenses["index"][rows]))
    return {
        view: {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        for view, found in parts.items()
    }


def _priors(view: dict, lenses: dict) -> dict[str, np.ndarray]:
    """Return the information of each kind's prior; the last parameter is the image's zero."""
    names = names_of(view["bands"], "kept")
    vectors = to_vectors(lenses, names)

    def padded(prior: np.ndarray) -> np.ndarray:
        return np.pad(prior, (0, 1))

    informed = prior_of(vectors)
    brighter = np.array(["_log_flux_" in name for name in names], float)
    mass, light = ([names.index(f"{p}{e}") for e in ("e1", "e2")] for p in ("", "lens_"))
    aligned = np.zeros_like(informed)
    aligned[np.ix_(mass + light, mass + light)] = conditional_prior(
        vectors[:, mass], vectors[:, light]
    )
    return {
        "aligned": padded(aligned),
        "informed": padded(informed),
        "informed_scaled": padded(without_scale(informed, brighter)),
    }


def bounds_of(
    survey: dict, view: dict, lenses: dict, shapes: Shapes, priors: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what `limits_in_chunks` does, of one view of a few lenses."""
    told = information_of(survey, view, lenses, shapes)
    known, n_wanted = slice(None, -1), len(ESTIMATED)
    image, singular = bounds(told[:, known, known], n_wanted)
    scaled, singular_if_scaled = bounds(told, n_wanted)
    found = {
        "known_source": bounds(told[:, :n_wanted, :n_wanted], n_wanted)[0],
        "image": image,
        "scaled": scaled,
    }
    for kind in ("aligned", "informed"):
        found[kind] = bounds((told + priors[kind])[:, known, known], n_wanted)[0]
    found["informed_scaled"] = bounds(told + priors["informed_scaled"], n_wanted)[0]
    return {kind: _columns(covariance) for kind, covariance in found.items()} | {
        "singular": singular | singular_if_scaled
    }


def information_of(survey: dict, view: dict, lenses: dict, shapes: Shapes) -> np.ndarray:
    """Return the information of images of a view, the last parameter being the image's zero.

    Lens light that was removed is told by its noise, which the images keep.

    Parameters
    ----------
    survey, view, lenses, shapes
        As for `model.expected_images`.

    Returns
    -------
    ndarray, shape (n, k + 1, k + 1)
        Of the parameters of a view that keeps the lens light.
    """
    names = names_of(view["bands"], "kept")
    _, jacobian, variance = expected_images(survey, view, lenses, shapes, names)
    zero = np.ones_like(jacobian[:, :1])
    told = information(np.concatenate([jacobian, zero], axis=1), variance)
    if view["lens_light"] == "removed":
        subtracted = galaxy_jacobian(survey, view, lenses, shapes, names, "lens")
        told[:, :-1, :-1] += information_in_variance(subtracted, variance)
    return told


def _columns(covariance: np.ndarray) -> np.ndarray:
    """Return the `COLUMNS` of covariances, in as many bits as mean something."""
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    with np.errstate(invalid="ignore"):
        correlation = np.nan_to_num(covariance[:, 1, 2] / (sigma[:, 1] * sigma[:, 2]))
    columns = np.column_stack([sigma, correlation]).astype(np.float32)
    mantissa, exponent = np.frexp(columns)
    with np.errstate(invalid="ignore"):
        rounded = np.ldexp(np.round(mantissa * 2**_SIGNIFICANT_BITS), exponent - _SIGNIFICANT_BITS)
    return np.where(np.isfinite(columns), rounded, columns).astype(np.float32)
