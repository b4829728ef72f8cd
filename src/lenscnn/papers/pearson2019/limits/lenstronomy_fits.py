"""Fits of pearson2019's images with lenstronomy, as its own notebooks fit."""

import time
from collections.abc import Callable

import numpy as np

from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy
from lenscnn.lensing.lenstronomy_reference import pixels_of
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.papers.pearson2019.images import images_of
from lenscnn.papers.pearson2019.limits.fits import COLUMNS, model_of
from lenscnn.papers.pearson2019.limits.parameters import from_vectors, names_of, to_vectors
from lenscnn.papers.pearson2019.metrics import ESTIMATED

STARTS = ("lenstronomy_blind", "lenstronomy_network")
"""Where fits start: at the population's mean, or at the network's estimate."""

SWARM = {"sigma_scale": 1, "n_particles": 200, "n_iterations": 200}
"""Of the particle swarm, as in the starting guide of lenstronomy-tutorials.

The chain that follows there gives errors of parameters and is left out.
"""

ONE_IN = 10
"""lenstronomy fits one in so many of the images that we fit, for it takes far longer."""

# Spreads and limits of that guide, where sources are round: of their ellipticity those of the lens
# light. Ellipticities are lenstronomy's.
_MEAN = {"e1": 0.0, "e2": 0.0, "center_x": 0.0, "center_y": 0.0}
_LENS_SPREAD = {"theta_E": 0.3, "e1": 0.5, "e2": 0.5, "center_x": 0.1, "center_y": 0.1}
_LENS_LOW = {"theta_E": 0.0, "e1": -0.5, "e2": -0.5, "center_x": -10.0, "center_y": -10.0}
_LENS_HIGH = {"theta_E": 10.0, "e1": 0.5, "e2": 0.5, "center_x": 10.0, "center_y": 10.0}
_SOURCE_SPREAD = {
    "R_sersic": 0.1, "n_sersic": 0.5, "e1": 0.2, "e2": 0.2, "center_x": 0.1, "center_y": 0.1
}  # fmt: skip
_SOURCE_LOW = {
    "R_sersic": 0.001, "n_sersic": 0.5, "e1": -0.5, "e2": -0.5, "center_x": -10.0,
    "center_y": -10.0,
}  # fmt: skip
_SOURCE_HIGH = {
    "R_sersic": 10.0, "n_sersic": 5.0, "e1": 0.5, "e2": 0.5, "center_x": 10.0, "center_y": 10.0
}  # fmt: skip


def fit_with_lenstronomy(
    population: dict,
    view: dict,
    lenses: dict,
    rows: np.ndarray,
    network: np.ndarray,
    swarm: dict = SWARM,
    report: Callable[[int], None] = lambda n: None,
) -> dict[str, np.ndarray]:
    """Fit images of a test set by lenstronomy's particle swarm, from each of `STARTS`.

    It is told the model, an isothermal ellipsoid and a Sersic source, the point-spread function and
    the noise, and solves for the fluxes in each band. It knows of the population the means of
    theta_E and of the source's size and index, where it starts.

    Parameters
    ----------
    population, view, lenses, rows, network, report
        As for `fits.fit_images`.
    swarm
        `SWARM` by default.

    Returns
    -------
    dict of ndarray, shape (m, 7)
        By start, with `fits.COLUMNS`; evaluations are those of the likelihood.
    """
    mean = {
        "theta_E": np.mean(lenses["theta_E"]),
        "R_sersic": np.mean(lenses["source_R_sersic"]),
        "n_sersic": np.mean(lenses["source_n_sersic"]),
    }
    true = to_vectors(lenses, list(ESTIMATED))
    accuracy = np.sqrt(np.mean((network - true) ** 2, axis=0))
    found: dict[str, list] = {start: [] for start in STARTS}
    for row in rows:
        lens = {name: values[row : row + 1] for name, values in lenses.items()}
        bands = _bands(population, view, lens)
        for start, results in found.items():
            at, spread = dict(_MEAN, theta_E=mean["theta_E"]), dict(_LENS_SPREAD)
            if start == "lenstronomy_network":
                shape = from_vectors(network[row : row + 1], list(ESTIMATED), {})
                e1_e2 = q_phi_to_e1_e2_lenstronomy(shape["q"][0], shape["phi"][0])
                at |= dict(zip(ESTIMATED, (network[row, 0], *e1_e2), strict=True))
                # Small ellipticities of equation 1 are twice lenstronomy's.
                spread |= dict(zip(ESTIMATED, accuracy * (1, 0.5, 0.5), strict=True))
            np.random.seed(row)  # the swarm's generator is NumPy's global one
            results.append(_fit(bands, at, spread, mean, swarm))
        report(1)
    return {start: np.array(results).reshape(-1, len(COLUMNS)) for start, results in found.items()}


def _bands(population: dict, view: dict, lens: dict) -> list:
    """Return data, point-spread function and numerics of each band, as lenstronomy takes them."""
    survey = population["survey"]
    image = images_of(population, "test", view, lens)[0].double().numpy()
    truth = to_vectors(lens, names_of(view["bands"], view["lens_light"]))[0]
    variance = model_of(population, view, lens)(truth)[2].reshape(image.shape)
    scale = survey["pixel_scale"]
    psf = {"psf_type": "GAUSSIAN", "fwhm": survey["seeing"], "pixel_size": scale}
    numerics = {"supersampling_factor": population["scene"]["supersampling"]}
    return [
        [
            {"image_data": pixels, "noise_map": sigma, **pixels_of(survey["n_pix"], scale)},
            psf,
            numerics,
        ]
        for pixels, sigma in zip(image, np.sqrt(variance), strict=True)
    ]


def _fit(bands: list, at: dict, spread: dict, mean: dict, swarm: dict) -> tuple:
    """Fit one image; return numbers as `fits.COLUMNS`."""
    from lenstronomy.Util.param_util import ellipticity2phi_q
    from lenstronomy.Workflow.fitting_sequence import FittingSequence

    source = dict(_MEAN, R_sersic=mean["R_sersic"], n_sersic=mean["n_sersic"])
    begun = time.process_time()
    sequence = FittingSequence(
        {"multi_band_list": bands, "multi_band_type": "multi-linear"},
        {"lens_model_list": ["SIE"], "source_light_model_list": ["SERSIC_ELLIPSE"]},
        {},
        {},
        {
            "lens_model": [[at], [spread], [{}], [_LENS_LOW], [_LENS_HIGH]],
            "source_model": [
                [source], [_SOURCE_SPREAD], [{}], [_SOURCE_LOW], [_SOURCE_HIGH]
            ],
        },
        verbose=False,
    )  # fmt: skip
    sequence.fit_sequence([["PSO", swarm]])
    seconds = time.process_time() - begun
    best = sequence.best_fit()["kwargs_lens"][0]
    phi, q = ellipticity2phi_q(best["e1"], best["e2"])
    cost = -sequence.best_fit_likelihood()
    evaluations = swarm["n_particles"] * swarm["n_iterations"]
    estimates = (best["theta_E"], *q_phi_to_e1_e2_pearson(q, phi))
    return (*estimates, cost, evaluations, np.nan, seconds)
