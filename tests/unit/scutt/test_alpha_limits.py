"""Limits of the slope against the Cramer-Rao bound, the spread of the posterior, and trends."""

import numpy as np
import pytest

from lenscnn.papers.scutt import population as scutt
from lenscnn.papers.scutt.limits import best_slopes, limits_table


def drawn(spec, subset, n, alpha=None):
    return scutt.draw_lenses(spec, subset, np.arange(n), alpha)


def test_masses_of_a_power_law_give_the_slope_to_the_cramer_rao_bound(population):
    """The information of N masses on alpha is N times the variance of ln M."""
    spec = population("powerlaw")
    lenses = drawn(spec, "check", 1500, -2.0)
    low, high = spec["mass_function"]["minimum"], spec["mass_function"]["maximum"]
    x = np.linspace(0, np.log(high / low), 20_001)
    weight = np.exp(-x)  # dN/dlnM at alpha = -2
    mean = np.average(x, weights=weight)
    variance = np.average((x - mean) ** 2, weights=weight)
    bound = 1 / np.sqrt(lenses["N"].mean() * variance)
    assert np.std(best_slopes(spec, lenses)) == pytest.approx(bound, rel=0.07)


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
def test_posterior_means_are_unbiased_where_they_say(population, law):
    """E[alpha | posterior mean] is the posterior mean, in each fifth of the estimates."""
    lenses = drawn(population(law), "check", 3000)
    estimate = best_slopes(population(law), lenses)
    for fifth in np.array_split(np.argsort(estimate), 5):
        error = lenses["alpha"][fifth] - estimate[fifth]
        assert abs(error.mean()) < 4.5 * error.std() / np.sqrt(len(fifth))


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
def test_who_knows_more_errs_less(population, law):
    spec = population(law)
    training, test = drawn(spec, "train", 6000), drawn(spec, "varied", 3000)
    table = limits_table(spec, training, test, 50).set_index("known")
    assert table.loc["nothing", "rmse"] == pytest.approx(1 / np.sqrt(12), rel=0.03)
    assert (np.diff(table.loc[["nothing", "N", "masses"], "rmse"]) < -0.01).all()
    # The lens mass is a constant here, so that it adds nothing.
    assert table.loc["N_and_theta_E", "rmse"] == pytest.approx(table.loc["N", "rmse"])
