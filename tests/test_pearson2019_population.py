"""pearson2019's population against astropy, closed forms, published numbers and brute force."""

import json

import numpy as np
import pytest
from astropy import units
from astropy.constants import c
from astropy.cosmology import FlatLambdaCDM
from conftest import ROOT
from scipy import integrate, stats

from lenscnn.observation import background, electrons
from lenscnn.population import pearson2019 as pearson
from lenscnn.population import photometry
from lenscnn.seeds import image_keys, stream_key

COSMOLOGY = FlatLambdaCDM(67.4, 0.32, Tcmb0=0)


@pytest.fixture
def spec(config):
    """Function: the population spec of a survey and a reading, as the workflow puts it together."""

    def build(survey="euclid", reading="calibrated", **changes):
        paper = config["pearson2019"]
        population, reading = dict(paper["population"]), paper["readings"][reading]
        survey = {"name": survey, **paper["surveys"][survey]}
        del survey["theta_E_training"], population["q_training"]
        redshift = {
            "prior": reading["redshift_prior"],
            "z_lens": population.pop("z_lens_maximum"),
            "z_source": population.pop("z_source_maximum"),
        }
        return population | {
            "seed": 5, "draw": "check", "cosmology": paper["cosmology"], "redshift": redshift,
            "position": reading["position"], "survey": survey,
            "criteria": paper["criteria"] | {"snr": reading["snr"]},
            "scene": paper["scene"], "training": None,
            "maximum_attempts": reading["maximum_attempts"],
            "minimum_lens_age": paper["photometry"]["minimum_lens_age"],
            "center_sd": population["center_sd"] * survey["pixel_scale"],
        } | changes  # fmt: skip

    return build


@pytest.fixture(scope="module")
def colours():
    return photometry.load(ROOT / "data/photometry/bc03.h5")


def test_distances_are_astropys(spec):
    universe = pearson.Universe(spec())
    z = np.array([0.1, 0.7, 1.8, 5.5])
    np.testing.assert_allclose(universe.distance_modulus(z), COSMOLOGY.distmod(z).value, atol=2e-3)
    scale = 1 / COSMOLOGY.kpc_proper_per_arcmin(z).to_value(units.kpc / units.arcsec)
    np.testing.assert_allclose(universe.arcsec_per_kpc(z), scale, rtol=1e-3)


def test_einstein_radius_is_equation_2(spec):
    universe = pearson.Universe(spec())
    distance = COSMOLOGY.angular_diameter_distance
    ratio = distance(0.7, 1.8) / distance(1.8)
    expected = (4 * np.pi * (279 * units.km / units.s / c) ** 2 * ratio * units.rad).to_value(
        units.arcsec, equivalencies=units.dimensionless_angles()
    )
    theta_E = universe.theta_E(279.0, 0.7, 1.8)
    assert theta_E == pytest.approx(float(expected), rel=1e-3)
    assert universe.sigma_v(theta_E, 0.7, 1.8) == pytest.approx(279.0)


@pytest.mark.parametrize("prior", ["comoving", "uniform"])
def test_redshift_prior(spec, prior):
    reading = "calibrated" if prior == "comoving" else "literal"
    universe = pearson.Universe(spec(reading=reading))
    u = np.random.default_rng(1).random(4000)
    z = universe.redshift(u, 2.0)

    def distribution(z):
        if prior == "uniform":
            return z / 2
        return (COSMOLOGY.comoving_volume(z) / COSMOLOGY.comoving_volume(2.0)).value

    assert stats.kstest(z, distribution).pvalue > 1e-3


def test_luminosity_function(spec):
    given = spec()
    law, universe = given["luminosity_function"], pearson.Universe(given)

    def density(magnitude):
        x = 10 ** (0.4 * (law["M_star"] - magnitude))
        return np.exp(-x) * (
            law["phi1"] * x ** (law["alpha1"] + 1) + law["phi2"] * x ** (law["alpha2"] + 1)
        )

    total = integrate.quad(density, law["bright"], law["faint"])[0]
    for magnitude in (-22.0, -20.9, -19.0):
        below = integrate.quad(density, law["bright"], magnitude)[0] / total
        assert universe.absolute_magnitude(below) == pytest.approx(magnitude, abs=2e-3)


def test_fundamental_plane(spec):
    """M_r = -22.4 for a lens of mean size at 280 km/s, known to a decimal; ours is -22.450."""
    given = spec()
    universe = pearson.Universe(given)
    z = np.array([0.5])
    _, magnitude = pearson.lens_light(given, universe, np.array([280.0]), z, np.array([0.5]))
    assert magnitude - universe.distance_modulus(z) == pytest.approx(-22.4, abs=0.06)


def test_background_noise_of_a_visit(config):
    """Electrons per pixel in one visit, worked out with the specification."""
    surveys = config["pearson2019"]["surveys"]
    assert background(surveys["euclid"], "VIS").variance ** 0.5 == pytest.approx(12.0, abs=0.05)
    for band, noise in (("g", 25.0), ("r", 31.9), ("i", 52.1)):
        variance = background(surveys["lsst"], band).variance
        assert variance**0.5 == pytest.approx(noise, abs=0.06)
        assert background(surveys["lsst"], band, 10).variance == pytest.approx(10 * variance)
    # One electron a second is the zero point.
    assert electrons(28.5, 28.5, surveys["lsst"], 2) == pytest.approx(60.0)


def _bright(systems):
    """A judge that needs no image: the closer the source, the better seen."""
    return np.full(len(systems["q"]), 50.0), 60.0 / systems["z_source"]


def test_the_first_attempt_that_passes_is_taken(spec, colours):
    given = spec(criteria={"mu": 3.0, "snr": 30.0})
    lenses, fallen = pearson.draw_lenses(given, "test", np.arange(5), _bright, colours)
    keys = image_keys(stream_key(5, "check", "test", "system"), np.arange(5))
    universe = pearson.Universe(given)
    for i in range(5):
        last = int(lenses["attempt"][i])
        attempts = np.arange(last + 1)
        passed, systems, _ = pearson.candidates(
            given, universe, np.full(last + 1, keys[i]), attempts, None
        )
        detected = (60.0 / systems["z_source"] > 30.0) & (
            50.0 * systems["source_R_sersic"] > given["survey"]["seeing"]
        )
        assert list(attempts[passed][detected]) == [last]
    assert set(fallen) == set(pearson.CUTS) and fallen["geometry"] > 1000


def test_a_lens_does_not_depend_on_its_company(spec, colours):
    together, _ = pearson.draw_lenses(spec(), "test", np.arange(12), _bright, colours)
    alone, _ = pearson.draw_lenses(spec(), "test", np.array([7]), _bright, colours)
    for name, values in together.items():
        assert values[7] == alone[name][0], name


def test_a_sample_keeps_its_own_rules(spec, colours):
    given = spec("lsst")
    lenses, _ = pearson.draw_lenses(given, "test", np.arange(400), _bright, colours)
    seeing = given["survey"]["seeing"]
    assert np.all(np.hypot(lenses["source_x"], lenses["source_y"]) < lenses["theta_E"])
    assert np.all(lenses["theta_E"] ** 2 > lenses["source_R_sersic"] ** 2 + seeing**2 / 2)
    assert np.all(lenses["z_source"] > lenses["z_lens"])
    assert np.all((lenses["lens_q"] > 0.1) & (lenses["lens_q"] <= 1))
    offset = (lenses["lens_phi"] - lenses["phi"] + np.pi / 2) % np.pi - np.pi / 2
    scatter = given["light_of_mass"]["phi_sd"]
    assert np.rad2deg(offset.std()) == pytest.approx(scatter, rel=5 / np.sqrt(800))
    assert lenses["center_x"].std() == pytest.approx(0.2, rel=5 / np.sqrt(800))
    # The source lies where the critical ellipse has it: uniform in area within criterion (i).
    ratio = pearson.Universe(given).theta_E(lenses["sigma_v"], lenses["z_lens"], lenses["z_source"])
    np.testing.assert_allclose(ratio, lenses["theta_E"])


def test_training_labels_are_uniform_whatever_is_detected(spec, colours):
    ranges = {
        "theta_E": {"minimum": 0.5, "maximum": 2.3},
        "q": {"minimum": 0.4, "maximum": 1.0},
    }
    lenses, _ = pearson.draw_lenses(
        spec(training=ranges), "train", np.arange(400), _bright, colours
    )
    for name, limits in (ranges | {"phi": {"minimum": 0, "maximum": np.pi}}).items():
        low, high = limits["minimum"], limits["maximum"]
        assert stats.kstest(lenses[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3, name
    sigma = spec()["sigma_v"]
    assert np.all((lenses["sigma_v"] > sigma["minimum"]) & (lenses["sigma_v"] < sigma["maximum"]))


def test_a_population_that_nothing_passes_says_what_fell_where(spec, colours):
    given = spec(criteria={"mu": 3.0, "snr": 1e9}, flux_bound=1e12, maximum_attempts=3000)
    with pytest.raises(ValueError, match="3 of 3 images.*signal_to_noise [1-9]"):
        pearson.draw_lenses(given, "test", np.arange(3), _bright, colours)


def test_positions_inside_the_caustic_are_uniform_in_area():
    """Against points of a grid that lenstronomy's polygon of the caustic contains."""
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LensModel.lens_model_extensions import LensModelExtensions
    from matplotlib.path import Path

    from lenscnn.conventions import q_phi_to_e1_e2_lenstronomy

    q, n = 0.6, 40_000
    e1, e2 = q_phi_to_e1_e2_lenstronomy(q, 0.0)
    lens = [{"theta_E": 1.3, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0}]
    x, y, source_x, source_y = LensModelExtensions(LensModel(["SIE"])).critical_curve_caustics(
        lens, compute_window=5, grid_scale=0.01
    )
    # The longest curve is the tangential one; the other is the cut's, of a softened centre.
    k = int(np.argmax([np.hypot(a, b).mean() for a, b in zip(x, y, strict=True)]))
    polygon = Path(np.column_stack([source_x[k], source_y[k]]))
    rng = np.random.default_rng(2)
    major, minor = pearson.inside_caustic(
        np.full(n, 1.3), np.full(n, q), rng.random(n), rng.random(n)
    )
    assert polygon.contains_points(np.column_stack([major, minor])).mean() > 0.985
    half = np.abs(polygon.vertices).max()
    grid = rng.uniform(-half, half, (400_000, 2))
    grid = grid[polygon.contains_points(grid)]
    for ours, theirs in ((major, grid[:, 0]), (minor, grid[:, 1]), (np.hypot(major, minor), None)):
        theirs = np.hypot(*grid.T) if theirs is None else theirs
        assert stats.ks_2samp(ours, theirs).statistic < 0.015


def test_light_follows_the_mass_where_it_does_not_scatter(spec, colours):
    given = spec()
    lenses, _ = pearson.draw_lenses(given, "test", np.arange(300), _bright, colours)
    same = pearson.realigned(given, "test", lenses, given["light_of_mass"])
    for name, values in lenses.items():
        np.testing.assert_array_equal(same[name], values, err_msg=name)
    aligned = pearson.realigned(given, "test", lenses, {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0})
    np.testing.assert_allclose(aligned["lens_q"], lenses["q"])
    np.testing.assert_allclose(aligned["lens_phi"], lenses["phi"])
    wide = pearson.realigned(given, "test", lenses, {"q_mean": 1.0, "q_sd": 0.24, "phi_sd": 60.0})
    assert np.all((wide["lens_q"] >= 0.1) & (wide["lens_q"] <= 1))
    # How much of a normal distribution of 60 degrees lies within 36 degrees, modulo pi.
    turned = (wide["lens_phi"] - lenses["phi"] + np.pi / 2) % np.pi - np.pi / 2
    within = sum(
        stats.norm.cdf(36 + k, scale=60) - stats.norm.cdf(-36 + k, scale=60)
        for k in (-360, -180, 0, 180, 360)
    )
    found = np.mean(np.abs(turned) < np.deg2rad(36))
    assert found == pytest.approx(within, abs=5 * np.sqrt(within * (1 - within) / 300))


def test_magnitudes_of_the_other_bands_are_those_of_an_sed(spec, colours):
    """Whichever SED was drawn, it is old enough, younger than the universe, and gives all bands."""
    given = spec("lsst")
    lenses, _ = pearson.draw_lenses(given, "test", np.arange(30), _bright, colours)
    for galaxy, youngest in (("source", 0.0), ("lens", 1e9)):
        z = lenses[f"z_{galaxy}"]
        oldest = COSMOLOGY.age(z).to_value(units.yr)
        g, r, i = (lenses[f"magnitude_{galaxy}_{band}"] for band in "gri")
        for k in range(len(z)):
            table = photometry.colours(
                colours, np.arange(len(colours.age)), np.full(len(colours.age), z[k]), "gi", "r"
            )
            allowed = (colours.age >= youngest) & (colours.age < oldest[k])
            distance = np.hypot(*(table - [g[k] - r[k], i[k] - r[k]]).T)
            assert distance[allowed].min() < 1e-5


def test_a_band_without_colours_is_named(spec, colours):
    given = spec("lsst")
    given["survey"]["bands"] = given["survey"]["bands"] | {"Y": {"zero_point": 27, "sky": 20}}
    with pytest.raises(ValueError, match="no colours for band Y: the table has g, r, i, VIS"):
        pearson.draw_lenses(given, "test", np.arange(3), _bright, colours)


def test_spec_is_json(spec):
    assert json.loads(json.dumps(spec())) == spec()
