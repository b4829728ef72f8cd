"""Fits of pearson2019's images by least squares, from several starts."""

import time
from collections.abc import Callable

import numpy as np
import torch

from lenscnn.information.fisher import bounds, information, prior_of
from lenscnn.information.fits import Fit, Model, Prior, fit
from lenscnn.instrument.survey import FWHM, background
from lenscnn.lensing.sersic_galaxies import render_galaxies
from lenscnn.papers.pearson2019.images import images_of
from lenscnn.papers.pearson2019.limits.model import differentiate, expected_images
from lenscnn.papers.pearson2019.limits.parameters import from_vectors, names_of, to_vectors
from lenscnn.papers.pearson2019.metrics import ESTIMATED

STARTS = ("truth_alone", "truth", "network", "blind")
"""Where fits start: at the truth, once without a prior; at the network's estimate; at the
population's mean, with Einstein radii tried."""

COLUMNS = (*ESTIMATED, "cost", "evaluations", "converged", "cpu_seconds")
"""What is known of each fit; the cost is half of chi^2 with that of the prior."""

_RANGES = {
    "theta_E": (0.05, 5.0), "n_sersic": (0.5, 10.0), "log_R_sersic": (np.log(1e-3), np.log(10.0)),
    "e1": (-0.98, 0.98), "e2": (-0.98, 0.98), "_x": (-3.0, 3.0), "_y": (-3.0, 3.0),
}  # fmt: skip

_RADII = 10
_POSITIONS = np.linspace(-0.7, 0.7, 8)  # of the source along each axis, over theta_E
_TRIED = 2  # of the best starts


def limits_of(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest parameters that are drawn; fluxes have none."""

    def span(name):
        ends = [ends for end, ends in _RANGES.items() if name.endswith(end)]
        return ends[0] if ends else (-np.inf, np.inf)

    low, high = np.array([span(name) for name in names]).T
    return low, high


def model_of(population: dict, view: dict, lens: dict) -> Model:
    """Return what an image of a view is expected to be, as a function of its parameters.

    Parameters
    ----------
    population, view
        As for `images.images_of`.
    lens : dict of ndarray, shape (1,)
        A row of the catalogue, for what is no parameter: lens light that was removed.
    """
    names, survey = names_of(view["bands"], view["lens_light"]), population["survey"]

    def model(vector):
        row = from_vectors(vector[None], names, lens)
        shapes = differentiate(survey, population["scene"], row)
        mean, jacobian, variance = expected_images(survey, view, row, shapes, names)
        return mean[0], jacobian[0], variance[0]

    return model


def fit_images(
    population: dict,
    view: dict,
    lenses: dict,
    rows: np.ndarray,
    network: np.ndarray | None,
    report: Callable[[int], None] = lambda n: None,
) -> dict[str, np.ndarray]:
    """Fit images of a test set from each of `STARTS`.

    Parameters
    ----------
    population, view
        As for `images.images_of`; the lens light is removed.
    lenses : dict of ndarray, shape (n,)
        The whole test set.
    rows : ndarray of int, shape (m,)
        Which to fit.
    network : ndarray, shape (n, 3), or None
        A network's estimates of theta_E, e1 and e2.
    report
        Is told how many images were fitted.

    Returns
    -------
    dict of ndarray, shape (m, 7)
        By start, with `COLUMNS`. ``network`` only with a network.
    """
    names = names_of(view["bands"], view["lens_light"])
    vectors = to_vectors(lenses, names)
    prior = Prior(vectors.mean(0), prior_of(vectors))
    limits = limits_of(names)
    radii = np.quantile(lenses["theta_E"], (np.arange(_RADII) + 0.5) / _RADII)
    found: dict[str, list] = {
        start: [] for start in STARTS if network is not None or start != "network"
    }
    for row in rows:
        lens = {name: values[row : row + 1] for name, values in lenses.items()}
        data = images_of(population, "test", view, lens).double().numpy()
        model = model_of(population, view, lens)
        for start, results in found.items():
            begun = time.process_time()
            if start.startswith("truth"):
                starts = [vectors[row]]
            else:
                guess = prior.mean.copy()
                tried = radii
                if network is not None and start == "network":
                    guess[:3], tried = network[row], network[row, :1]
                starts = _with_source(population, view, data[0], guess, tried, names)
            fits = [
                fit(model, data.ravel(), at, None if start == "truth_alone" else prior, limits)
                for at in starts
            ]
            results.append(_numbers(min(fits, key=lambda f: f.cost), begun))
        report(1)
    return {start: np.array(results) for start, results in found.items()}


def least_errors(
    population: dict, view: dict, lenses: dict, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the bounds of fits, which compare an image with its mean and know its noise.

    They are larger than `bounds.limits_in_chunks` has for lens light that was removed: what the
    noise tells of that light is not used.

    Parameters
    ----------
    population, view, lenses, rows
        As for `fit_images`.

    Returns
    -------
    dict of ndarray, shape (m, 3)
        Standard deviations of theta_E (arcsec), e1 and e2: ``image``, of fits without the
        population, and ``informed``, with it.
    """
    vectors = to_vectors(lenses, names_of(view["bands"], view["lens_light"]))
    prior = prior_of(vectors)
    found: dict[str, list] = {"image": [], "informed": []}
    for row in rows:
        lens = {name: values[row : row + 1] for name, values in lenses.items()}
        _, jacobian, variance = model_of(population, view, lens)(vectors[row])
        told = information(jacobian[None], variance[None])
        for kind, known in (("image", told), ("informed", told + prior)):
            found[kind].append(np.sqrt(np.diag(bounds(known, len(ESTIMATED))[0][0])))
    return {kind: np.array(sigma) for kind, sigma in found.items()}


def _numbers(found: Fit, begun: float) -> tuple:
    seconds = time.process_time() - begun
    estimates = found.parameters[: len(ESTIMATED)]
    return (*estimates, found.cost, found.evaluations, found.converged, seconds)


def _with_source(
    population: dict, view: dict, image: np.ndarray, guess: np.ndarray, radii, names: list[str]
) -> list[np.ndarray]:
    """Return the best guesses with a source at some of the positions tried, and its fluxes.

    Each image drawn is scaled to the data, band by band, before they are compared.
    """
    survey, size = population["survey"], names.index("source_log_R_sersic")
    grid = np.array([(t, t * x, t * y) for t in radii for x in _POSITIONS for y in _POSITIONS])
    one = from_vectors(guess[None], names, {"center_x": guess[3:4], "center_y": guess[4:5]})

    def tensors(**columns):
        return {
            k: torch.as_tensor(np.broadcast_to(v, len(grid)).astype(np.float32))
            for k, v in columns.items()
        }

    lens = tensors(
        theta_E=grid[:, 0], center_x=guess[3], center_y=guess[4], q=one["q"], phi=one["phi"]
    )
    source = tensors(
        center_x=guess[3] + grid[:, 1], center_y=guess[4] + grid[:, 2], q=0.7, phi=0.0,
        R_sersic=np.exp(guess[size]), n_sersic=guess[names.index("source_n_sersic")],
    )  # fmt: skip
    drawn = render_galaxies(
        lens, source, None, survey["n_pix"], survey["pixel_scale"],
        population["scene"]["supersampling"], survey["seeing"] / FWHM, 1e-4,
    )[0].flatten(1).double().numpy()  # fmt: skip
    explained, flux = np.zeros(len(grid)), []
    for band, pixels in zip(view["bands"], image, strict=True):
        overlap, power = drawn @ pixels.ravel(), (drawn**2).sum(1)
        flux.append(np.maximum(overlap / power, 1.0))
        explained += (
            np.maximum(overlap, 0) ** 2 / power / background(survey, band, view["visits"]).variance
        )
    starts = []
    for best in np.argsort(-explained)[:_TRIED]:
        at = guess.copy()
        at[0] = grid[best, 0]
        at[names.index("source_x")], at[names.index("source_y")] = grid[best, 1:]
        for band, electrons in zip(view["bands"], flux, strict=True):
            seconds = survey["exposure"] * view["visits"]
            zero = 0.4 * np.log(10) * survey["bands"][band]["zero_point"]
            at[names.index(f"source_log_flux_{band}")] = np.log(electrons[best] / seconds) - zero
        starts.append(at)
    return starts
