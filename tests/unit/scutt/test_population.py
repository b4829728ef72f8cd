"""scutt's population against the published numbers, closed forms and astropy."""

import numpy as np
import pytest
from scipy import stats

from lenscnn.papers.scutt import population
from lenscnn.papers.scutt import population as scutt

# N(alpha) worked out when the two laws were specified, from an independent sampler: mean and
# standard deviation of N; the laws' limits follow from two sentences of the paper,
# N ~ 200 at alpha = -1.7 and ~ 700 at -2.5.
N_OF_ALPHA = {
    "powerlaw": {
        -1.5: (131, 24), -1.6: (163, 29), -1.7: (202, 34), -1.8: (249, 39),
        -2.0: (363, 49), -2.2: (494, 53), -2.4: (634, 55), -2.5: (700, 55),
    },
    "decades": {
        -1.5: (165, 38), -1.6: (182, 42), -1.7: (201, 46), -1.8: (222, 50),
        -2.0: (272, 61), -2.2: (336, 78), -2.4: (416, 95), -2.5: (463, 105),
    },
}  # fmt: skip
N_LENSES = 3000


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
def test_n_of_alpha(population, law):
    for alpha, (mean, sd) in N_OF_ALPHA[law].items():
        n = scutt.draw_lenses(population(law), f"test{alpha}", np.arange(N_LENSES), alpha)["N"]
        # Sampling error of both samples (the reference's taken to be as large as ours), and half
        # a unit for its rounding; 4 sigma, as 32 numbers are compared.
        assert abs(n.mean() - mean) < 0.5 + 4 * np.sqrt(2) * sd / np.sqrt(N_LENSES), alpha
        assert abs(n.std() - sd) < 0.5 + 4 * sd / np.sqrt(N_LENSES), alpha


def _masses(spec, alpha, n=400):
    lenses = population.draw_lenses(spec, "masses", np.arange(n), alpha)
    return lenses, population.draw_subhaloes(spec, lenses)


def test_power_law_masses(population):
    spec = population("powerlaw")
    _, (mass, *_) = _masses(spec, -1.9)
    low, high = spec["mass_function"]["minimum"], spec["mass_function"]["maximum"]
    p = -1.9 + 1

    def distribution(m):
        return (m**p - low**p) / (high**p - low**p)

    # Dropping the one that passes the budget takes heavy subhaloes away: a small effect.
    assert stats.kstest(mass, distribution).statistic < 0.01


def test_decade_masses(population):
    # A large budget, because dropping the one subhalo that passes it takes heavy ones away.
    _, (mass, *_) = _masses(population("decades", substructure_fraction=0.9), -1.7)
    values, counts = np.unique(mass, return_counts=True)
    np.testing.assert_allclose(values, [1e8, 1e9, 1e10, 1e11])
    expected = np.arange(1, 5) ** -1.7
    np.testing.assert_allclose(counts / counts.sum(), expected / expected.sum(), rtol=0.02)


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
def test_budget_is_kept_and_nearly_spent(population, law):
    spec = population(law)
    lenses, (mass, _, _, _, bounds) = _masses(spec, -2.0)
    spent = np.add.reduceat(mass, bounds[:-1])
    budget = spec["substructure_fraction"] * lenses["lens_mass"]
    assert np.all(spent <= budget)
    assert np.all(spent > budget - spec["mass_function"]["maximum"])


def test_places_fill_a_disc_about_the_lens(population):
    spec = population(draw="varied")
    lenses, (_, x, y, _, bounds) = _masses(spec, -2.0, 200)
    owner = np.repeat(np.arange(200), np.diff(bounds))
    dx, dy = x - lenses["center_x"][owner], y - lenses["center_y"][owner]
    # r^2 and the angle are uniform where the surface density is.
    r2 = (dx**2 + dy**2) / (2 * lenses["theta_E"][owner]) ** 2
    assert stats.kstest(r2, "uniform").pvalue > 1e-3
    assert stats.kstest(np.arctan2(dy, dx), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


def test_einstein_radii_are_those_that_were_run(population):
    """24.5 mas at 1e11 solar masses and 0.245 mas at 1e8, for a source at z = 1.77."""
    spec = population("decades")
    _, (mass, _, _, theta_E, _) = _masses(spec, -2.0, 50)
    assert theta_E[mass == 1e11][0] == pytest.approx(24.5e-3, rel=5e-3)
    assert theta_E[mass == 1e8][0] == pytest.approx(0.245e-3, rel=5e-3)


def test_self_consistent_radii_and_masses(population):
    """With M from equation 2.3 the lens's own mass gives back its own Einstein radius."""
    spec = population(
        lens_mass={"kind": "munari", "constant": 0.0}, subhalo_scale="self_consistent",
    )  # fmt: skip
    theta_E, z_source = np.array([1.0, 1.5, 2.0]), np.array([1.5, 1.77, 3.0])
    mass = scutt.lens_mass(spec, theta_E, z_source)
    lenses = {"theta_E": theta_E, "lens_mass": mass, "z_source": z_source}
    for kind in ("self_consistent", "as_run"):
        scale = scutt.subhalo_scale(spec | {"subhalo_scale": kind}, lenses)
        exponent = 2 * spec["velocity_scaling"]["beta"]
        np.testing.assert_allclose(scale * mass**exponent, theta_E, rtol=1e-10)


def test_varied_geometry_has_the_papers_distributions(population):
    spec = population(draw="varied")
    lenses = scutt.draw_lenses(spec, "geometry", np.arange(5000), None)
    for name in ("theta_E", "q", "z_source"):
        given = spec["geometry"][name]
        a, b = ((given[k] - given["mean"]) / given["sd"] for k in ("minimum", "maximum"))
        law = stats.truncnorm(a, b, given["mean"], given["sd"])
        assert stats.kstest(lenses[name], law.cdf).pvalue > 1e-3, name
    for name, low, high in (
        ("alpha", -2.5, -1.5), ("phi", 0, np.pi), ("center_x", -0.1, 0.1), ("center_y", -0.1, 0.1),
    ):  # fmt: skip
        uniform = stats.uniform(low, high - low)
        assert stats.kstest(lenses[name], uniform.cdf).pvalue > 1e-3, name
    names = ("theta_E", "q", "z_source", "alpha", "phi", "center_x", "center_y")
    correlations = np.corrcoef([lenses[name] for name in names])[np.triu_indices(len(names), 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)


def test_sum_of_einstein_radii(population):
    spec = population(draw="varied")
    lenses = scutt.draw_lenses(spec, "sum", np.arange(20), -2.0)
    _, _, _, theta_E, bounds = scutt.draw_subhaloes(spec, lenses)
    expected = [theta_E[a:b].sum() for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    np.testing.assert_allclose(lenses["sum_theta_E_sub"], expected)


def test_a_lens_does_not_depend_on_its_company(population):
    spec = population(draw="varied")
    together = scutt.draw_lenses(spec, "some", np.arange(40), None)
    alone = scutt.draw_lenses(spec, "some", np.array([17]), None)
    for name, values in together.items():
        assert values[17] == alone[name][0], name
    other = scutt.draw_lenses(spec | {"seed": 4}, "some", np.array([17]), None)
    assert other["alpha"] != alone["alpha"]


def test_readings_share_the_lens_and_the_slope(population):
    first, second = (
        scutt.draw_lenses(population(law, "varied"), "some", np.arange(30), None)
        for law in ("powerlaw", "decades")
    )
    for name in ("alpha", "theta_E", "q", "phi", "z_source", "center_x"):
        np.testing.assert_array_equal(first[name], second[name])
    assert np.any(first["N"] != second["N"])


def test_impossible_laws_are_named(population):
    law = {"law": "powerlaw", "minimum": 1e5, "maximum": 1e8}
    with pytest.raises(ValueError, match="maximum_subhaloes = 100000"):
        scutt.draw_lenses(population(mass_function=law), "x", np.arange(3), -2.4)
    law = {"law": "decades", "minimum": 1e8, "maximum": 5e10}
    with pytest.raises(ValueError, match="power of ten"):
        scutt.draw_lenses(population(mass_function=law), "x", np.arange(3), -2.4)
    law = {"law": "powerlaw", "minimum": 2e12, "maximum": 5e12}
    with pytest.raises(ValueError, match="no subhalo fits"):
        scutt.draw_lenses(population(mass_function=law), "x", np.arange(3), -2.4)
    law = {"law": "powerlaw", "minimum": 2e9, "maximum": 2e9}
    with pytest.raises(ValueError, match="maximum .* must exceed minimum"):
        scutt.draw_lenses(population(mass_function=law), "x", np.arange(3), -2.4)
