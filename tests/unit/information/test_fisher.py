"""Bounds on errors against closed forms, NumPy's inverses and the scatter of repeated fits."""

import numpy as np
import pytest
from scipy import stats

from lenscnn.information.fisher import (
    bounds,
    conditional_prior,
    information,
    information_in_variance,
    prior_of,
    without_scale,
)
from lenscnn.lensing.derivatives import differentiate_galaxies


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_gaussian_source_in_white_noise_has_the_information_of_the_integrals():
    """Flux F and size s of a round Gaussian: var(ln F) = 2 V, var(ln s) = V, var(x) = 2 s^2 V.

    V is 4 pi s^2 sigma^2 / (F^2 p^2), with noise sigma in pixels of side p: integrals of
    I^2, I^2 (r^2 / s^2 - 2)^k and (I x / s^2)^2 over the plane.
    """
    s, side, noise, flux = 0.6, 0.05, 3.0, 2e4
    R_sersic = s * np.sqrt(2 * (1.9992 * 0.5 - 0.3271))  # a Sersic index of 1/2 is a Gaussian
    light = {"R_sersic": R_sersic, "n_sersic": 0.5, "q": 1.0, "phi": 0.3}
    light = {k: np.array([v]) for k, v in (light | {"center_x": 0.02, "center_y": -0.1}).items()}
    image, _, by = differentiate_galaxies(None, light, 201, side, 1, 0.0)
    jacobian = flux * np.stack(
        [by["center_x"], by["center_y"], image, R_sersic * by["R_sersic"]], axis=1
    ).reshape(1, 4, -1)
    covariance, singular = bounds(information(jacobian, np.full((1, 201**2), noise**2)), 4)
    V = 4 * np.pi * s**2 * noise**2 / (flux**2 * side**2) * s**2 / s**2
    expected = np.diag([2 * s**2 * V, 2 * s**2 * V, 2 * V, V])
    expected[2, 3] = expected[3, 2] = V
    assert not singular[0]
    np.testing.assert_allclose(covariance[0], expected, rtol=1e-3, atol=1e-4 * V)


def test_variance_of_pixels_is_known_to_the_scatter_of_sample_variances():
    """Of m Gaussian pixels of one unknown variance V: var(ln V) = 2 / m."""
    told = information_in_variance(np.full((1, 1, 50), 3.0), np.full((1, 50), 3.0))
    np.testing.assert_allclose(bounds(told, 1)[0], [[[2 / 50]]])


def test_parameters_that_are_tied_in_the_sample_are_one_parameter(rng):
    """As the bounds of the fewer parameters that the tied ones are made of."""
    few = rng.normal(size=(500, 2)) @ [[0.2, 0.1], [0.0, 30.0]]
    tie = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])  # the third is the first
    J = rng.normal(size=(4, 3, 9)) / np.array([0.3, 50.0, 0.5])[:, None]
    told = information(J, np.ones((4, 9)))
    prior = np.linalg.inv(np.cov(few, rowvar=False))
    expected, _ = bounds(tie.T @ told @ tie + prior, 2)
    found, singular = bounds(told + prior_of(few @ tie.T), 2)
    assert not singular.any()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.7])  # of which the variance rounds to 0, and does not
def test_a_parameter_that_is_the_same_in_the_whole_sample_is_known(rng, value):
    few = rng.normal(size=(500, 2)) * [0.2, 30.0]
    J = rng.normal(size=(4, 3, 9)) / np.array([0.3, 50.0, 0.5])[:, None]
    told = information(J, np.ones((4, 9)))
    expected, _ = bounds(told[:, :2, :2] + np.linalg.inv(np.cov(few, rowvar=False)), 2)
    found, singular = bounds(told + prior_of(np.column_stack([few, np.full(500, value)])), 2)
    assert not singular.any()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_photons_that_were_subtracted_tell_of_themselves_by_their_noise_alone():
    """Information on counts that are left, and subtracted, by the exact density of a pixel.

    The density is that of Poisson numbers less what was subtracted, smeared by the readout. Its
    scores are differences at two steps, their products are integrated over the pixel's value.
    """
    left, subtracted, sky, readout, step = 20.0, 60.0, 120.0, 5.0, 0.01
    values, number = np.arange(-150, 250, 0.25), np.arange(600)[:, None]

    def density(left, subtracted):
        mean = left + subtracted + sky
        spread = stats.norm.pdf(values, number - subtracted - sky, readout)
        return (stats.poisson.pmf(number, mean) * spread).sum(0)

    p = density(left, subtracted)
    slopes = [
        (density(left + a, subtracted + b) - density(left - a, subtracted - b)) / (2 * step)
        for a, b in ((step, 0), (0, step))
    ]
    exact = np.array([[(s * t / p).sum() * 0.25 for t in slopes] for s in slopes])
    variance = np.full((1, 1), left + subtracted + sky + readout**2)
    ours = information(np.array([[[1.0], [0.0]]]), variance)[0]
    ours += information_in_variance(np.array([[[0.0], [1.0]]]), variance)[0]
    scale = np.sqrt(np.diag(ours))
    np.testing.assert_allclose(exact / np.outer(scale, scale), np.eye(2), atol=0.02)


def test_bounds_are_a_block_of_the_whole_inverse(rng):
    jacobian, variance = rng.normal(size=(5, 6, 40)), rng.uniform(1, 9, (5, 40))
    told = information(jacobian, variance)
    covariance, singular = bounds(told, 2)
    for k in range(5):
        whole = np.linalg.inv(jacobian[k] @ np.diag(1 / variance[k]) @ jacobian[k].T)
        np.testing.assert_allclose(covariance[k], whole[:2, :2], rtol=1e-9)
        known = np.linalg.inv(told[k, :2, :2])
        assert (np.diag(known) < np.diag(covariance[k])).all()
    assert not singular.any()


def test_bounds_are_the_scatter_of_least_squares(rng):
    jacobian, sigma = rng.normal(size=(3, 30)), rng.uniform(0.5, 2, 30)
    told = information(jacobian[None], sigma[None] ** 2)
    fits = np.linalg.lstsq((jacobian / sigma).T, rng.normal(size=(30, 20_000)), rcond=None)[0]
    covariance, _ = bounds(told, 3)
    np.testing.assert_allclose(np.cov(fits), covariance[0], rtol=0.05, atol=0.03 * covariance.max())


@pytest.mark.parametrize("spoil", ["twin", "nothing", "nan"])
def test_what_cannot_be_told_apart_is_flagged_and_infinite(rng, spoil):
    jacobian = rng.normal(size=(2, 4, 30))
    jacobian[1, 3] = {"twin": 2 * jacobian[1, 0], "nothing": 0.0, "nan": np.nan}[spoil]
    covariance, singular = bounds(information(jacobian, np.ones((2, 30))), 2)
    assert singular.tolist() == [False, True]
    assert np.isinf(np.diag(covariance[1])).all() and np.isfinite(covariance[0]).all()


def test_prior_makes_the_posterior_of_a_gaussian(rng):
    """Posterior covariance by conditioning a joint Gaussian of parameters and data."""
    mixing = rng.normal(size=(3, 3))
    sample = rng.normal(size=(200_000, 3)) @ mixing
    jacobian, sigma = rng.normal(size=(3, 5)), rng.uniform(0.5, 2, 5)
    prior = prior_of(sample)
    posterior, _ = bounds(information(jacobian[None], sigma[None] ** 2) + prior, 3)
    C = np.cov(sample, rowvar=False)
    gain = C @ jacobian @ np.linalg.inv(jacobian.T @ C @ jacobian + np.diag(sigma**2))
    np.testing.assert_allclose(posterior[0], C - gain @ jacobian.T @ C, rtol=1e-8, atol=1e-10)


def test_without_scale_is_a_prior_of_endless_width_along_it(rng):
    sample, direction = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), np.array([0, 1, 1, 0])
    wide = np.cov(sample, rowvar=False) + 1e8 * np.outer(direction, direction)
    np.testing.assert_allclose(
        without_scale(prior_of(sample), direction), np.linalg.inv(wide), rtol=1e-5, atol=1e-6
    )


def test_conditional_prior_ties_parameters_and_frees_the_others(rng):
    given = rng.normal(0, 2.0, (400_000, 1))
    sample = 0.8 * given + rng.normal(0, 0.1, (400_000, 1))
    tie = conditional_prior(sample, given)
    np.testing.assert_allclose(tie, 100 * np.array([[1, -0.8], [-0.8, 0.64]]), rtol=0.02)
    np.testing.assert_allclose(np.linalg.eigvalsh(tie)[0], 0, atol=1e-6)


def test_a_sample_too_small_for_a_prior_is_refused(rng):
    with pytest.raises(ValueError, match="more than 6 lenses, not 6"):
        prior_of(rng.normal(size=(6, 5)))
