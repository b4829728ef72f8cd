"""Limits of the slope against the Cramer-Rao bound, the spread of the posterior, and trends."""

import numpy as np
import pytest
from scipy.integrate import quad

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


def log_likelihood(law, alpha, mass, left):
    """Of masses that were drawn one by one, and of a next one that is above what is left."""
    low, high = law["minimum"], law["maximum"]
    if law["law"] == "decades":
        values = low * 10.0 ** np.arange(round(np.log10(high / low)) + 1)
        chance = (1 + np.log10(values / low)) ** alpha
        chance /= chance.sum()
        known = [chance[np.argmin(np.abs(np.log(values / m)))] for m in mass]
        return np.log(known).sum() + np.log(chance[values > left].sum())

    def integral(start):  # over ln M, in units of the lowest mass
        return quad(lambda x: np.exp((alpha + 1) * x), np.log(start / low), np.log(high / low))[0]

    pdf = (mass / low) ** alpha / integral(low)
    return np.log(pdf).sum() + np.log(integral(np.clip(left, low, high)) / integral(low))


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
def test_slopes_are_means_of_a_posterior_integrated_by_scipy(population, law):
    spec = population(law)
    lenses = drawn(spec, "check", 4)
    mass, *_, bounds = scutt.draw_subhaloes(spec, lenses)
    budget = spec["substructure_fraction"] * lenses["lens_mass"]
    slopes = np.linspace(spec["alpha"]["minimum"], spec["alpha"]["maximum"], 401)
    for i, found in enumerate(best_slopes(spec, lenses)):
        own = mass[bounds[i] : bounds[i + 1]]
        left = budget[i] - own.sum()
        log = [log_likelihood(spec["mass_function"], a, own, left) for a in slopes]
        weight = np.exp(np.array(log) - max(log))
        assert found == pytest.approx(np.average(slopes, weights=weight), abs=1e-6)


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
    # Those of one slope are no part of it.
    fixed = drawn(spec, "alpha-2.0", 500, -2.0)
    test = {name: np.concatenate([values, fixed[name]]) for name, values in test.items()}
    table = limits_table(spec, training, test, 50).set_index("known")
    assert set(table["n"]) == {3000}
    assert table.loc["nothing", "rmse"] == pytest.approx(1 / np.sqrt(12), rel=0.03)
    # Of x uniform in +-1/2 the variance of x^2 is 1/180.
    error = np.sqrt(1 / 180 / 3000) / (2 / np.sqrt(12))
    assert table.loc["nothing", "rmse_err"] == pytest.approx(error, rel=0.4)
    assert (np.diff(table.loc[["nothing", "N", "masses"], "rmse"]) < -0.01).all()
    # The lens mass is a constant here, so that it adds nothing.
    assert table.loc["N_and_theta_E", "rmse"] == pytest.approx(table.loc["N", "rmse"])


def test_a_lens_mass_that_varies_is_worth_knowing(population, config):
    mass = config["scutt"]["population"]["lens_mass"] | {"kind": "munari"}
    spec = population("powerlaw", "varied", lens_mass=mass)
    training, test = drawn(spec, "train", 4000), drawn(spec, "varied", 1000)
    rmse = limits_table(spec, training, test, 5).set_index("known")["rmse"]
    assert rmse["N_and_theta_E"] < 0.95 * rmse["N"]
