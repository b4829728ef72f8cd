"""pearson2019's population against astropy, closed forms, published numbers and brute force."""

import json
import re

import numpy as np
import pytest
from astropy import units
from astropy.constants import c
from astropy.cosmology import FlatLambdaCDM
from conftest import ROOT
from scipy import integrate, ndimage, special, stats

from lenscnn.galaxies import photometry as photometry
from lenscnn.galaxies.photometry import k_corrections
from lenscnn.instrument.survey import background, electrons
from lenscnn.papers.pearson2019 import detection, population, systems
from lenscnn.papers.pearson2019.detection import make_detection_test
from lenscnn.papers.pearson2019.population import NothingDetected, candidates, draw_lenses
from lenscnn.papers.pearson2019.systems import (
    _ANGLE,
    _CROSS_SECTION,
    _RADIUS,
    _SIGMA_V,
    _Z_LENS,
    _Z_SOURCE,
    SLOTS,
    detection_bands,
    faint,
    filters_of,
    inside_caustic,
    inside_critical_curve,
    realigned,
)
from lenscnn.papers.pearson2019.universe import Universe, lens_light
from lenscnn.rng.streams import image_keys, stream_key, uniforms_of

COSMOLOGY = FlatLambdaCDM(67.4, 0.32, Tcmb0=0)


@pytest.fixture(scope="module")
def spec(config):
    """Function: the population spec of a survey and a reading, as the workflow puts it together."""

    def build(survey="euclid", reading="calibrated", criteria=None, **changes):
        paper = config["pearson2019"]
        population, reading = dict(paper["population"]), paper["population_models"][reading]
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
            "criteria": paper["criteria"] | {"snr": reading["snr"]} | (criteria or {}),
            "scene": paper["scene"], "training": None,
            "maximum_attempts": reading["maximum_attempts"],
            "k_correction": paper["photometry"]["k_correction"],
            "minimum_lens_age": paper["photometry"]["minimum_lens_age"],
            "center_sd": population["center_sd"] * survey["pixel_scale"],
        } | changes  # fmt: skip

    return build


@pytest.fixture(scope="module")
def colours():
    return photometry.load(ROOT / "data/photometry/bc03.h5")


def test_distances_are_astropys(spec):
    universe = Universe(spec())
    z = np.array([0.1, 0.7, 1.8, 5.5])
    np.testing.assert_allclose(universe.distance_modulus(z), COSMOLOGY.distmod(z).value, atol=2e-3)
    scale = 1 / COSMOLOGY.kpc_proper_per_arcmin(z).to_value(units.kpc / units.arcsec)
    np.testing.assert_allclose(universe.arcsec_per_kpc(z), scale, rtol=1e-3)


def test_einstein_radius_is_that_of_an_isothermal_sphere(spec):
    universe = Universe(spec())
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
    universe = Universe(spec(reading=reading))
    u = np.random.default_rng(1).random(4000)
    z = universe.redshift(u, 2.0)

    def distribution(z):
        if prior == "uniform":
            return z / 2
        return (COSMOLOGY.comoving_volume(z) / COSMOLOGY.comoving_volume(2.0)).value

    assert stats.kstest(z, distribution).pvalue > 1e-3


def test_luminosity_function(spec):
    given = spec()
    law, universe = given["luminosity_function"], Universe(given)

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
    universe = Universe(given)
    z = np.array([0.5])
    _, magnitude = lens_light(given, universe, np.array([280.0]), z, np.array([0.5]))
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
    given = spec(criteria={"snr": 30.0})
    lenses, fallen = draw_lenses(given, "test", np.arange(5), _bright, colours)
    keys = image_keys(stream_key(5, "check", "test", "system"), np.arange(5))
    universe = Universe(given)
    for i in range(5):
        last = int(lenses["attempt"][i])
        attempts = np.arange(last + 1)
        passed, systems, _ = candidates(
            given, universe, colours, np.full(last + 1, keys[i]), attempts, {}
        )
        detected = (60.0 / systems["z_source"] > 30.0) & (
            50.0 * systems["source_R_sersic"] > given["survey"]["seeing"]
        )
        assert list(attempts[passed][detected]) == [last]
    assert set(fallen) == set(population.CUTS) and fallen["geometry"] > 1000


def test_nothing_is_looked_at_after_a_lens_is_found(spec, colours, monkeypatch):
    given, looks = spec(criteria={"snr": 30.0}), []

    def judge(systems):
        looks.append(systems)
        return _bright(systems)

    drawn = []
    for together in (64, 1):
        monkeypatch.setattr(population, "MIN_BATCH", together)
        looks.clear()
        drawn.append(draw_lenses(given, "test", np.arange(40), judge, colours)[0])
    for name, values in drawn[0].items():
        assert np.array_equal(values, drawn[1][name]), name
    z, size = (np.concatenate([look[k] for look in looks]) for k in ("z_source", "source_R_sersic"))
    detected = (60.0 / z > 30.0) & (50.0 * size > given["survey"]["seeing"])
    assert 40 == detected.sum() < len(detected)


def test_a_lens_does_not_depend_on_its_company(spec, colours):
    told = []
    together, _ = draw_lenses(spec(), "test", np.arange(12), _bright, colours, told.append)
    assert sum(told) == 12 and len(told) > 1
    alone, _ = draw_lenses(spec(), "test", np.array([7]), _bright, colours)
    for name, values in together.items():
        assert values[7] == alone[name][0], name


def test_a_sample_keeps_its_own_rules(spec, colours):
    given = spec("lsst")
    lenses, _ = draw_lenses(given, "test", np.arange(400), _bright, colours)
    seeing = given["survey"]["seeing"]
    assert np.all(np.hypot(lenses["source_x"], lenses["source_y"]) < lenses["theta_E"])
    assert np.all(lenses["theta_E"] ** 2 > lenses["source_R_sersic"] ** 2 + seeing**2 / 2)
    assert np.all(lenses["z_source"] > lenses["z_lens"])
    assert np.all((lenses["lens_q"] > 0.1) & (lenses["lens_q"] <= 1))
    offset = (lenses["lens_phi"] - lenses["phi"] + np.pi / 2) % np.pi - np.pi / 2
    scatter = given["light_of_mass"]["phi_sd"]
    assert np.rad2deg(offset.std()) == pytest.approx(scatter, rel=5 / np.sqrt(800))
    assert lenses["center_x"].std() == pytest.approx(0.2, rel=5 / np.sqrt(800))
    distance = COSMOLOGY.comoving_distance
    ratio = 1 - (distance(lenses["z_lens"]) / distance(lenses["z_source"])).value
    radians = 4 * np.pi * (lenses["sigma_v"] / c.to_value("km/s")) ** 2 * ratio
    np.testing.assert_allclose(np.rad2deg(radians) * 3600, lenses["theta_E"], rtol=2e-3)


def _attempts(given, n, photometry=None):
    """Candidates among the first `n` attempts of image 0."""
    key = image_keys(stream_key(5, "check", "test", "system"), np.zeros(n, int))
    return candidates(given, Universe(given), photometry, key, np.arange(n), {})


@pytest.fixture(scope="module")
def lenient(spec):
    """Function: a spec with the seeing lifted and no system too faint."""

    def build(survey="euclid", reading="calibrated", **changes):
        given = spec(survey, reading, criteria={"snr": 0.0}, **changes)
        given["survey"]["seeing"] = 0.0
        return given

    return build


def test_sources_are_uniform_inside_critical_curve_and_einstein_radius(lenient):
    """Against points of a disc of the Einstein radius, in the frame of the lens."""
    shape = {"mean": 0.5, "sd": 0.1, "minimum": 0.2, "maximum": 1.0}
    n = 12_000
    _, system, fallen = _attempts(lenient(reading="literal", q=shape), n)
    q, phi = system["q"], system["phi"]
    source = (system["source_x"] + 1j * system["source_y"]) / system["theta_E"]
    source *= np.exp(-1j * phi)
    assert np.all(np.abs(source) < 1)
    assert np.all(q * source.real**2 + source.imag**2 / q < 1)

    rng = np.random.default_rng(6)
    theirs = np.full(len(q), 2.0 + 0j)
    while np.any(out := (np.abs(theirs) > 1) | (q * theirs.real**2 + theirs.imag**2 / q > 1)):
        theirs[out] = rng.uniform(-1, 1, (out.sum(), 2)) @ [1, 1j]
    for part in (np.real, np.imag, np.abs, np.angle):
        assert stats.ks_2samp(part(source), part(theirs)).pvalue > 1e-3, part
    assert stats.kstest(phi, stats.uniform(0, np.pi).cdf).pvalue > 1e-3

    # How many fall: ellipse and disc have one area, and z_source < z_lens in a sixth of the pairs.
    q = stats.truncnorm.rvs(-3, 5, 0.5, 0.1, 100_000, random_state=rng)
    point = np.sqrt(rng.random(len(q))) * np.exp(2j * np.pi * rng.random(len(q)))
    kept = 5 / 6 * np.mean(q * point.real**2 + point.imag**2 / q < 1)
    assert 1 - fallen["geometry"] / n == pytest.approx(kept, abs=5 * 0.5 / np.sqrt(n))


def test_lenses_are_drawn_by_their_cross_section(lenient):
    """Each attempt whose number lies below theta_E^2 over that of the radius, and no other."""
    n, given = 60_000, lenient()
    rows, system, fallen = _attempts(given, n)
    key = image_keys(stream_key(5, "check", "test", "system"), np.zeros(n, int))

    def number(slot):
        return uniforms_of(key, np.arange(n) * SLOTS + slot)

    def normal(slot, law):
        ends = [(law[end] - law["mean"]) / law["sd"] for end in ("minimum", "maximum")]
        return stats.truncnorm.ppf(number(slot), *ends, law["mean"], law["sd"])

    universe = Universe(given)
    z_lens = universe.redshift(number(_Z_LENS), given["redshift"]["z_lens"])
    z_source = universe.redshift(number(_Z_SOURCE), given["redshift"]["z_source"])
    ratio = 1 - universe.distance(z_lens) / universe.distance(z_source)
    sigma_v, q = normal(_SIGMA_V, given["sigma_v"]), normal(systems._Q, given["q"])
    theta_E = np.rad2deg(4 * np.pi * (sigma_v / 299792.458) ** 2 * ratio) * 3600
    drawn = number(_CROSS_SECTION) < (theta_E / given["position_radius"]) ** 2
    place = theta_E, q, number(_RADIUS), number(_ANGLE)
    drawn &= np.hypot(*inside_critical_curve(*place)) < theta_E
    drawn &= z_source > 1.001 * z_lens + 1e-4
    assert fallen["geometry"] == n - drawn.sum() < n - 1000
    assert set(rows) <= set(np.flatnonzero(drawn))
    np.testing.assert_allclose(system["theta_E"], theta_E[rows], rtol=1e-9)


def test_light_follows_the_printed_relations(lenient):
    """Every scatter, made uniform by its law, with numbers and signs as printed."""
    _, system, _ = _attempts(lenient(reading="literal"), 12_000)
    z, V = system["z_lens"], np.log10(system["sigma_v"])
    size = {
        galaxy: np.log10(
            system[f"{galaxy}_R_sersic"]
            * COSMOLOGY.kpc_proper_per_arcmin(system[f"z_{galaxy}"]).value / 60
        )
        for galaxy in ("lens", "source")
    }  # fmt: skip
    brightness = (
        system["magnitude_lens"]
        + 2.5 * np.log10(2 * np.pi * system["lens_R_sersic"] ** 2)
        - 10 * np.log10(1 + z)
    )
    plane = 1.1701 * V + 0.3029 * brightness - 8.0858
    np.testing.assert_allclose(plane, size["lens"], atol=3e-3)

    factor = stats.truncnorm((system["q"] - 1.02) / 0.12, (10 * system["q"] - 1.02) / 0.12)
    z = system["z_source"]
    absolute = system["magnitude_source"] - COSMOLOGY.distmod(z).value
    mean = -(absolute + 18) / 4 - 1.2 * np.log10((1 + z) / 1.6)
    # The source is smaller than the Einstein radius: criterion (ii) without seeing.
    largest = size["source"] + np.log10(system["theta_E"] / system["source_R_sersic"])
    numbers = {
        "lens size": stats.norm(2.46 - 2.79 * V + 0.84 * V**2, 0.11).cdf(size["lens"]),
        "source size": stats.norm.cdf(size["source"], mean, 0.35)
        / stats.norm.cdf(largest, mean, 0.35),
        "lens q": factor.cdf((system["q"] / system["lens_q"] - 1.02) / 0.12),
        "source q": stats.rayleigh.cdf(1 - system["source_q"], scale=0.3)
        / stats.rayleigh.cdf(0.8, scale=0.3),
        "source phi": system["source_phi"] / np.pi,
        "lens n": stats.norm.cdf(system["lens_n_sersic"], 4, 0.5),
        "source n": stats.norm.cdf(system["source_n_sersic"], 4, 0.5),
    }
    for name, u in numbers.items():
        assert stats.kstest(u, stats.uniform.cdf).pvalue > 1e-3, name


def test_cuts_before_the_image_are_the_criteria(spec, lenient):
    """Against the same attempts with all but the first lifted, cut by hand."""
    n = 60_000
    rows, _, fallen = _attempts(spec(), n)
    every, system, lost = _attempts(lenient(), n)
    assert sum(lost.values()) + len(every) == n and lost["flux"] == 0
    resolved = system["theta_E"] ** 2 > system["source_R_sersic"] ** 2 + 0.17**2 / 2
    seen = ~faint(spec(), system)
    assert list(rows) == list(every[resolved & seen])
    assert fallen == {
        "geometry": lost["geometry"],
        "size": lost["size"] + np.count_nonzero(~resolved),
        "flux": np.count_nonzero(resolved & ~seen),
    }


@pytest.mark.parametrize(
    ("survey", "criteria"),
    [("euclid", {}), ("lsst", {}), ("euclid", {"field": 2}), ("euclid", {"pixels": "all"})],
)
def test_no_system_that_would_be_detected_is_too_faint_to_be_imaged(
    spec, lenient, survey, criteria
):
    """Candidates, in the caustic too, as bright as `faint` drops them: no image passes."""
    given = spec(survey, criteria=criteria)
    sharp = lenient(survey, "caustic")
    sharp["survey"] = given["survey"]
    _, system, _ = _attempts(sharp, 24_000)
    magnitudes = np.arange(10.0, 35.0, 0.02)[:, None]
    repeated = {k: np.broadcast_to(v, (len(magnitudes), len(v))) for k, v in system.items()}
    column = f"magnitude_source_{given['survey']['detection_band']}"
    cut = faint(given, repeated | {column: magnitudes})
    assert np.all(np.diff(cut.astype(int), axis=0) >= 0) and cut[-1].all()
    brightest = magnitudes[np.argmax(cut, axis=0), 0]
    _, snr = make_detection_test(given)(system | {column: brightest})
    assert len(snr) > 1000 and snr.max() < 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("survey", "reading", "n", "criteria"),
    [
        ("euclid", "calibrated", 60_000, {}),
        ("euclid", "caustic", 15_000, {}),
        ("lsst", "caustic", 30_000, {}),
        ("euclid", "calibrated", 60_000, {"field": 2}),
        ("euclid", "caustic", 60_000, {"pixels": "all"}),
    ],
)
def test_a_first_look_loses_no_system(spec, monkeypatch, survey, reading, n, criteria):
    """The same systems judged without it: who is detected, and with which numbers."""
    given = spec(survey, reading, criteria=criteria)
    _, system, _ = _attempts(given, n)
    said = np.array(make_detection_test(given)(system))
    monkeypatch.setattr(detection, "MARGIN", 1e9)
    truth = np.array(make_detection_test(given)(system))
    seen = (truth[0] > 3) & (truth[1] > 20)
    assert seen.sum() > 30
    assert np.array_equal(said[:, seen], truth[:, seen])
    assert not np.any((said[0] > 3) & (said[1] > 20) & ~seen)
    assert np.any(said != truth)  # most were looked at once
    monkeypatch.setattr(detection, "MARGIN", 0.0)
    rough = np.array(make_detection_test(given)(system))
    assert np.median(rough[:, seen] / truth[:, seen], axis=1) == pytest.approx([1, 1], abs=0.1)


@pytest.fixture(scope="module")
def detected(spec, colours):
    """A draw that Euclid detects, what fell, and all systems whose image was measured."""
    given, measured = spec(), []
    measure = make_detection_test(given)

    def judge(systems):
        mu, snr = measure(systems)
        measured.append(systems | {"mu": mu, "snr": snr})
        return mu, snr

    lenses, fallen = draw_lenses(given, "test", np.arange(30), judge, colours)
    return lenses, fallen, {k: np.concatenate([m[k] for m in measured]) for k in measured[0]}


def test_axis_ratios_of_test_lenses_in_the_caustic_are_as_printed(spec, colours):
    """Section 3.3: "a normal distribution with a mean of 0.78", which detection does not bend."""
    given = spec(reading="caustic")
    lenses, _ = draw_lenses(given, "test", np.arange(400), make_detection_test(given), colours)
    law = given["q"]
    low, high = ((law[end] - law["mean"]) / law["sd"] for end in ("minimum", "maximum"))
    printed = stats.truncnorm(low, high, law["mean"], law["sd"])
    assert stats.kstest(lenses["q"], printed.cdf).pvalue > 0.01
    # Of detected lenses that were free to be round, one in two has q above 0.82 (printed: 0.78).
    assert np.median(lenses["q"]) == pytest.approx(printed.median(), abs=0.02)


def test_detected_lenses_meet_all_criteria(detected):
    lenses, fallen, measured = detected
    size = lenses["source_R_sersic"]
    assert np.all(np.hypot(lenses["source_x"], lenses["source_y"]) < lenses["theta_E"])
    assert np.all(lenses["theta_E"] ** 2 > size**2 + 0.17**2 / 2)
    assert np.all((lenses["mu"] > 3) & (lenses["mu"] * size > 0.17))
    assert np.all(lenses["snr"] > 20)
    # What was measured and is no such lens fell, be it for one reason alone.
    magnified = measured["mu"] > 3
    sheared = measured["mu"] * measured["source_R_sersic"] > 0.17
    loud = measured["snr"] > 20
    assert fallen["magnification"] == np.count_nonzero(~(magnified & sheared))
    assert fallen["signal_to_noise"] == np.count_nonzero(magnified & sheared & ~loud)
    for alone in (~magnified & sheared & loud, magnified & ~sheared & loud,
                  magnified & sheared & ~loud):  # fmt: skip
        assert np.any(alone)
        assert not np.isin(lenses["snr"], measured["snr"][alone]).any()


def test_magnification_and_signal_to_noise_of_detected_lenses(detected):
    """By lenstronomy's deflections, a Sersic profile in closed form and scipy's convolution."""
    from lenstronomy.LensModel.lens_model import LensModel

    from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy

    lenses, _, _ = detected
    model, n, fine = LensModel(["SIE"]), 57, 15
    x = (np.arange(n * fine) - (n * fine - 1) / 2) * 0.1 / fine
    x, y = (grid.ravel() for grid in np.meshgrid(x, x))
    sky = 10 ** (-0.4 * (22.2 - 25.5)) * 0.1**2 * 565
    sigma = np.sqrt(sky + 5**2)
    for i in range(6):
        row = {name: values[i] for name, values in lenses.items()}
        e1, e2 = q_phi_to_e1_e2_lenstronomy(row["q"], row["phi"])
        mass = {
            "theta_E": row["theta_E"], "e1": e1, "e2": e2,
            "center_x": row["center_x"], "center_y": row["center_y"],
        }  # fmt: skip
        source_x, source_y = model.ray_shooting(x, y, [mass])
        offset = source_x - row["center_x"] - row["source_x"]
        offset = offset + 1j * (source_y - row["center_y"] - row["source_y"])
        offset *= np.exp(-1j * row["source_phi"])
        q, R, index = (row[f"source_{name}"] for name in ("q", "R_sersic", "n_sersic"))
        b = special.gammaincinv(2 * index, 0.5)
        radius = np.sqrt(q * offset.real**2 + offset.imag**2 / q) / R
        total = 2 * np.pi * index * R**2 * b ** (-2 * index) * special.gamma(2 * index)
        light = np.exp(-b * radius ** (1 / index)) / total * (0.1 / fine) ** 2
        image = light.reshape(n, fine, n, fine).sum(axis=(1, 3))
        assert row["mu"] == pytest.approx(image.sum(), rel=0.02)
        electrons = 10 ** (-0.4 * (row["magnitude_source_VIS"] - 25.5)) * 565
        psf = 0.17 / 0.1 / np.sqrt(8 * np.log(2))  # standard deviation, pixels
        image = electrons * ndimage.gaussian_filter(image, psf, mode="constant", truncate=6)
        bright = image[image > sigma]
        assert row["snr"] == pytest.approx(bright.sum() / (sigma * len(bright) ** 0.5), rel=0.02)


def test_training_labels_are_uniform_whatever_is_detected(spec, colours):
    ranges = {
        "theta_E": {"minimum": 0.5, "maximum": 2.3},
        "q": {"minimum": 0.4, "maximum": 1.0},
    }
    lenses, _ = draw_lenses(spec(training=ranges), "train", np.arange(400), _bright, colours)
    for name, limits in (ranges | {"phi": {"minimum": 0, "maximum": np.pi}}).items():
        low, high = limits["minimum"], limits["maximum"]
        assert stats.kstest(lenses[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3, name
    sigma = spec()["sigma_v"]
    assert np.all((lenses["sigma_v"] > sigma["minimum"]) & (lenses["sigma_v"] < sigma["maximum"]))
    # And an image's labels its own, whatever images are drawn beside it.
    some = np.array([311, 12])
    alone, _ = draw_lenses(spec(training=ranges), "train", some, _bright, colours)
    for name, values in lenses.items():
        assert np.array_equal(values[some], alone[name]), name


def test_a_population_that_nothing_passes_says_what_fell_where(spec, colours):
    """As soon as none of the images has found a lens in as many attempts together."""
    given = spec(maximum_attempts=150_000)
    attempts = []

    def dim(systems):
        attempts.append(len(systems["q"]))
        return np.full(len(systems["q"]), 50.0), np.full(len(systems["q"]), 19.9)

    with pytest.raises(NothingDetected, match="900 of 900 .*signal_to_noise [1-9]") as said:
        draw_lenses(given, "test", np.arange(900), dim, colours)
    numbers = [int(word.replace(",", "")) for word in re.findall(r"[\d,]*\d", str(said.value))]
    assert sum(numbers[-5:]) == numbers[2] < 2 * 150_000
    assert sum(numbers[-2:]) == sum(attempts)  # the last two cuts take an image


def test_one_image_that_finds_nothing_is_tried_as_often_as_it_may(spec, colours):
    def dim(systems):
        return np.full(len(systems["q"]), 50.0), np.full(len(systems["q"]), 19.9)

    with pytest.raises(NothingDetected, match="1 of 1 .* in 3,0[0-9]+ attempts"):
        draw_lenses(spec(maximum_attempts=3000), "test", np.arange(1), dim, colours)


def test_rings_that_were_looked_for_in_vain_are_named(spec, colours):
    def dim(systems):
        return np.full(len(systems["q"]), 50.0), np.full(len(systems["q"]), 19.9)

    narrow = {"theta_E": {"minimum": 1.401, "maximum": 1.402}, "q": {"minimum": 0.4, "maximum": 1}}
    given = spec(training=narrow, maximum_attempts=2000)
    with pytest.raises(NothingDetected, match="theta_E were to be 1.4 to 1.4 arcsec"):
        draw_lenses(given, "train", np.arange(3), dim, colours)


def test_positions_inside_the_caustic_are_uniform_in_area():
    """Against points of a grid that lenstronomy's polygon of the caustic contains."""
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LensModel.lens_model_extensions import LensModelExtensions
    from matplotlib.path import Path

    from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy

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
    major, minor = inside_caustic(np.full(n, 1.3), np.full(n, q), rng.random(n), rng.random(n))
    assert polygon.contains_points(np.column_stack([major, minor])).mean() > 0.985
    half = np.abs(polygon.vertices).max()
    grid = rng.uniform(-half, half, (400_000, 2))
    grid = grid[polygon.contains_points(grid)]
    for ours, theirs in ((major, grid[:, 0]), (minor, grid[:, 1]), (np.hypot(major, minor), None)):
        theirs = np.hypot(*grid.T) if theirs is None else theirs
        assert stats.ks_2samp(ours, theirs).statistic < 0.015


def test_light_follows_the_mass_where_it_does_not_scatter(spec, colours):
    given = spec()
    lenses, _ = draw_lenses(given, "test", np.arange(300), _bright, colours)
    same = realigned(given, "test", lenses, given["light_of_mass"])
    for name, values in lenses.items():
        np.testing.assert_array_equal(same[name], values, err_msg=name)
    aligned = realigned(given, "test", lenses, {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0})
    np.testing.assert_allclose(aligned["lens_q"], lenses["q"])
    np.testing.assert_allclose(aligned["lens_phi"], lenses["phi"])
    wide = realigned(given, "test", lenses, {"q_mean": 1.0, "q_sd": 0.24, "phi_sd": 60.0})
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
    lenses, _ = draw_lenses(given, "test", np.arange(30), _bright, colours)
    for galaxy, youngest in (("source", 0.0), ("lens", 1e9)):
        z = lenses[f"z_{galaxy}"]
        oldest = COSMOLOGY.age(z).to_value(units.yr)
        g, r, i = (lenses[f"magnitude_{galaxy}_{band}"] for band in "gri")
        for k in range(len(z)):
            table = photometry.colours(
                colours, np.arange(len(colours.age)), np.full(len(colours.age), z[k]),
                ["lsst2016-g", "lsst2016-i"], "lsst2016-r",
            )  # fmt: skip
            allowed = (colours.age >= youngest) & (colours.age < oldest[k])
            distance = np.hypot(*(table - [g[k] - r[k], i[k] - r[k]]).T)
            assert distance[allowed].min() < 1e-5


@pytest.mark.parametrize(("survey", "any_band"), [("euclid", False), ("lsst", True)])
def test_k_corrected_magnitudes_are_those_of_an_sed(spec, colours, survey, any_band):
    """Of one SED of the right age, in all bands judged; and those are what the catalogue keeps."""
    given = spec(survey, k_correction=True, criteria={"snr": 0.0, "any_band": any_band})
    bands, judged = detection_bands(given), []

    def judge(systems):
        judged.append(systems)
        return _bright(systems)

    lenses, _ = draw_lenses(given, "test", np.arange(10), judge, colours)
    systems = {name: np.concatenate([part[name] for part in judged]) for name in judged[0]}
    every = np.arange(len(colours.age))
    for k in range(10):
        (row,) = np.flatnonzero(systems["theta_E"] == lenses["theta_E"][k])
        z, rest = lenses["z_source"][k], systems["magnitude_source"][row]  # M + distance modulus
        kept = np.array([lenses[f"magnitude_source_{band}"][k] for band in bands])
        np.testing.assert_array_equal(
            kept, [systems[f"magnitude_source_{band}"][row] for band in bands]
        )
        changes = k_corrections(colours, every, np.full(len(every), z), filters_of(given, bands))
        allowed = colours.age < COSMOLOGY.age(z).to_value(units.yr)
        assert np.abs(changes - (kept - rest))[allowed].max(axis=1).min() < 1e-5
    plain = spec(survey, criteria={"snr": 0.0})
    same, _ = draw_lenses(plain, "test", np.arange(10), _bright, colours)
    np.testing.assert_array_equal(lenses["attempt"], same["attempt"])  # `_bright` sees no magnitude
    band = given["survey"]["detection_band"]
    assert np.all(lenses[f"magnitude_lens_{band}"] != same[f"magnitude_lens_{band}"])


def test_any_band_loses_no_lens_to_its_colour(spec, colours):
    """What one band alone shows, all together show too, and more."""
    passed = {}
    for band in "gri":
        given = spec("lsst")
        given["survey"]["detection_band"] = band
        given["criteria"]["any_band"] = True
        passed[band] = _attempts(given, 60_000, colours)
    # Magnitudes are anchored in the detection band, whose sources then are the same.
    for band, (rows, system, _) in passed.items():
        given = spec("lsst")
        given["survey"]["detection_band"] = band
        alone, of_alone, _ = _attempts(given, 60_000, colours)
        assert np.isin(alone, rows).all() and len(rows) > len(alone)
        np.testing.assert_array_equal(
            system[f"magnitude_source_{band}"][np.isin(rows, alone)],
            of_alone[f"magnitude_source_{band}"],
        )


def test_a_band_without_colours_is_named(spec, colours):
    given = spec("lsst")
    given["survey"]["bands"] = given["survey"]["bands"] | {
        "Y": {"zero_point": 27, "sky": 20, "filter": "decam2014-Y"}
    }

    def judge(systems):
        raise AssertionError("a lens was drawn before")

    with pytest.raises(
        ValueError, match="no colours for filter decam2014-Y: the table has lsst2016-g"
    ):
        draw_lenses(given, "test", np.arange(3), judge, colours)


def test_a_survey_of_one_band_needs_no_colours(spec, colours):
    given, as_known = spec(), spec()
    given["survey"] |= {
        "bands": {"Z087": given["survey"]["bands"]["VIS"]},
        "detection_band": "Z087",
    }
    lenses, _ = draw_lenses(given, "test", np.arange(3), _bright, colours)
    known, _ = draw_lenses(as_known, "test", np.arange(3), _bright, colours)
    for galaxy in ("source", "lens"):
        values = lenses[f"magnitude_{galaxy}_Z087"]
        np.testing.assert_array_equal(values, known[f"magnitude_{galaxy}_VIS"])


def test_spec_is_json(spec):
    assert json.loads(json.dumps(spec())) == spec()
