"""Limits of pearson2019 against simulated images, sampled estimates and fits that reach them."""

import runpy

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from lenscnn.claims.registry import read_registry
from lenscnn.core import storage
from lenscnn.information.floors import factor_and_floor
from lenscnn.instrument.noise import add_detector_noise
from lenscnn.instrument.survey import background
from lenscnn.papers.pearson2019.ellipticity import e1_e2_to_q_phi_pearson
from lenscnn.papers.pearson2019.images import images_of
from lenscnn.papers.pearson2019.limits import bounds, fits, lenstronomy_fits, metrics, model, tables
from lenscnn.papers.pearson2019.limits.parameters import (
    FLATTEST,
    by_ellipticity,
    from_vectors,
    names_of,
    to_vectors,
)
from lenscnn.papers.pearson2019.metrics import parameters
from lenscnn.papers.pearson2019.systems import realigned
from lenscnn.records import migrations, provenance
from lenscnn.records.specs import write_spec


def draw_lenses(n, seed=5, magnitude=24.0):
    rng = np.random.default_rng(seed)
    columns = {
        "theta_E": rng.uniform(0.9, 1.4, n), "q": rng.uniform(0.5, 0.9, n),
        "phi": rng.uniform(0, np.pi, n), "center_x": rng.normal(0, 0.1, n),
        "center_y": rng.normal(0, 0.1, n), "source_x": rng.uniform(-0.3, 0.3, n),
        "source_y": rng.uniform(-0.3, 0.3, n), "source_R_sersic": rng.uniform(0.1, 0.3, n),
        "source_n_sersic": rng.uniform(0.9, 1.5, n), "source_q": rng.uniform(0.5, 0.9, n),
        "source_phi": rng.uniform(0, np.pi, n), "lens_R_sersic": rng.uniform(0.5, 1.0, n),
        "lens_n_sersic": rng.uniform(1.5, 2.5, n), "lens_q": rng.uniform(0.6, 0.9, n),
        "lens_phi": rng.uniform(0, np.pi, n), "attempt": np.arange(n),
    }  # fmt: skip
    for k, band in enumerate("gri"):
        columns |= {
            f"magnitude_source_{band}": rng.normal(magnitude + 0.3 * k, 0.3, n),
            f"magnitude_lens_{band}": rng.normal(20.0 - k, 0.3, n),
        }
    return {"index": np.arange(n)} | columns


@pytest.fixture
def population(config):
    paper = config["pearson2019"]
    survey = {"name": "lsst", **paper["surveys"]["lsst"], "n_pix": 31}
    return {"seed": 1, "draw": "lsst", "survey": survey, "scene": paper["scene"]}


def view_of(lens_light="kept", bands=("i", "r"), visits=1, light_of_mass=None):
    return {
        "bands": list(bands), "visits": visits, "lens_light": lens_light,
        "light_of_mass": light_of_mass,
    }  # fmt: skip


def test_vectors_hold_all_that_an_image_depends_on():
    lenses, names = draw_lenses(7), names_of(["g", "r"], "kept")
    vectors = to_vectors(lenses, names)
    back = from_vectors(vectors, names, lenses)
    for name in lenses:
        np.testing.assert_allclose(back[name], lenses[name], rtol=1e-12, atol=1e-12, err_msg=name)
    moved = from_vectors(vectors + 0.01, names, lenses)
    unmoved = {"index", "attempt", "magnitude_source_i", "magnitude_lens_i"}
    assert {name for name in lenses if np.array_equal(moved[name], lenses[name])} == unmoved


def test_an_impossible_ellipticity_counts_as_the_flattest():
    names = names_of(["r"], "removed")
    vectors = to_vectors(draw_lenses(1), names)
    vectors[0, 1:3] = 3.0, 4.0
    q, phi = e1_e2_to_q_phi_pearson(FLATTEST * 0.6, FLATTEST * 0.8)
    lens = from_vectors(vectors, names, draw_lenses(1))
    assert lens["q"][0] == pytest.approx(q) and lens["phi"][0] == pytest.approx(phi)


def test_derivatives_by_ellipticity_are_the_chain_rule():
    """Of f = q^2 sin(3 phi), by differences in e1 and e2."""

    def f(e1, e2):
        q, phi = e1_e2_to_q_phi_pearson(e1, e2)
        return q**2 * np.sin(3 * phi)

    e1, e2, h = np.array([0.2, -0.1]), np.array([0.15, 0.4]), 1e-6
    q, phi = e1_e2_to_q_phi_pearson(e1, e2)
    ours = by_ellipticity(q, phi, 2 * q * np.sin(3 * phi), 3 * q**2 * np.cos(3 * phi))
    theirs = (
        (f(e1 + h, e2) - f(e1 - h, e2)) / (2 * h),
        (f(e1, e2 + h) - f(e1, e2 - h)) / (2 * h),
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


@pytest.mark.parametrize("lens_light", ["kept", "removed"])
@pytest.mark.parametrize("visits", [1, 10])
def test_expected_images_have_the_mean_and_noise_of_simulated_ones(population, lens_light, visits):
    lens = draw_lenses(1)
    many = {name: np.repeat(values, 300) for name, values in lens.items()}
    many["index"] = np.arange(300)
    view = view_of(lens_light, visits=visits)
    images = images_of(population, "test", view, many).double().numpy().reshape(300, -1)
    shapes = model.differentiate(population["survey"], population["scene"], lens)
    names = names_of(view["bands"], lens_light)
    mean, _, variance = model.expected_images(population["survey"], view, lens, shapes, names)
    z = (images - mean) / np.sqrt(variance)
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert (z**2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / z.size))
    bright = variance[0] > 2 * variance[0].min()
    assert bright.any()
    assert (z[:, bright] ** 2).mean() == pytest.approx(1, abs=6 * np.sqrt(2 / z[:, bright].size))
    assert np.abs(z.mean(0)).max() < 6 / np.sqrt(300)


@pytest.mark.parametrize("lens_light", ["kept", "removed"])
def test_jacobian_is_differences_of_expected_images(population, lens_light):
    lenses, view = draw_lenses(1), view_of(lens_light)
    names = names_of(view["bands"], "kept")

    def images(vectors, tolerance=1e-7):
        moved = from_vectors(vectors, names, lenses)
        scene = population["scene"] | {"tolerance": tolerance}
        shapes = model.differentiate(population["survey"], scene, moved)
        return model.expected_images(population["survey"], view, moved, shapes, names)

    vectors = to_vectors(lenses, names)
    shapes = model.differentiate(population["survey"], population["scene"], lenses)
    arguments = population["survey"], view, lenses, shapes, names
    jacobian = model.expected_images(*arguments)[1]
    photons = sum(model.galaxy_jacobian(*arguments, galaxy) for galaxy in ("source", "lens"))
    for k, name in enumerate(names):
        step = np.zeros(len(names))
        step[k] = 1e-4
        more, less = images(vectors + step), images(vectors - step)
        for quantity, slope in ((0, jacobian[:, k]), (2, photons[:, k])):
            difference = (more[quantity] - less[quantity]) / 2e-4
            error = np.linalg.norm(difference - slope, axis=1)
            assert (error <= 0.02 * np.linalg.norm(slope, axis=1)).all(), name


@pytest.mark.parametrize("lens_light", ["kept", "removed"])
def test_information_is_the_scatter_of_scores_of_simulated_images(population, lens_light):
    """The score of photons of mean and variance m, read out with the variance R, V being m + R.

    By a count's departure d from its mean it is d / V of what is left in the image, and
    (d^2 - V - d m / V) / (2 V^2) of what was subtracted: the quadratic part that the third
    moment m of d leaves uncorrelated with d.
    """
    survey, view, n = population["survey"], view_of(lens_light, ["r"]), 4000
    lens, names = draw_lenses(1, magnitude=22.0), names_of(["r"], "kept")
    shapes = model.differentiate(survey, population["scene"], lens)
    arguments = survey, view, lens, shapes, names
    told = bounds.information_of(survey, view, lens, shapes)[0, :-1, :-1]
    _, jacobian, V = model.expected_images(*arguments)
    sky = background(survey, "r")
    photons = V - sky.variance
    keys = torch.arange(n)
    rates = torch.as_tensor(photons, dtype=torch.float32).view(1, 1, 31, 31).expand(n, -1, -1, -1)
    counts = add_detector_noise(rates, sky, survey["reads"], survey["read_noise"], keys)
    d = counts.double().numpy().reshape(n, -1) - photons
    scores = d / V @ jacobian[0].T
    if lens_light == "removed":
        subtracted = model.galaxy_jacobian(*arguments, "lens")[0]
        scores += (d**2 - V - d * (photons + sky.mean) / V) / (2 * V**2) @ subtracted.T
    scale = np.sqrt(np.diag(told))
    scores = scores / scale @ np.linalg.inv(np.linalg.cholesky(told / np.outer(scale, scale))).T
    np.testing.assert_allclose(np.cov(scores.T), np.eye(len(names)), atol=6 * np.sqrt(2 / n))


def test_more_knowledge_means_smaller_errors(population):
    lenses = draw_lenses(60)
    views = {
        "removed": view_of("removed", ["r"]),
        "deep": view_of("removed", ["r"], visits=4),
        "colour": view_of("removed", ["i", "r"]),
        "kept": view_of("kept", ["r"]),
    }
    done = []
    found = bounds.limits_in_chunks(population, views, lenses, done.append)
    assert sum(done) == 60 and all(len(arrays["image"]) == 60 for arrays in found.values())
    sd = to_vectors(lenses, ["theta_E", "e1", "e2"]).std(0, ddof=1)
    slack = 1 + 1e-3  # numbers are rounded
    for arrays in found.values():
        sigma = {kind: arrays[kind][:, :3] for kind in bounds.KINDS if kind in arrays}
        for less, more in (
            ("known_source", "image"), ("image", "scaled"), ("informed", "image"),
            ("informed", "informed_scaled"), ("informed_scaled", "scaled"),
        ):  # fmt: skip
            assert (sigma[less] <= slack * sigma[more]).all(), (less, more)
        assert (sigma["informed"] <= slack * sd).all()
        assert (sigma["aligned"] <= slack * sigma["image"]).all()
    by_mean = fits.least_errors(population, views["removed"], lenses, np.arange(9))
    for kind, sigma in by_mean.items():
        ratio = found["removed"][kind][:9, :3] / sigma
        assert (ratio <= slack).all() and (ratio.min(0) < 0.99).all()
    for better in ("deep", "colour"):
        ratio = found[better]["image"][:, :3] / found["removed"]["image"][:, :3]
        assert (ratio < 1).all()
    # Sky and sources in four exposures: nearly half the error.
    assert np.median(found["deep"]["image"][:, 1] / found["removed"]["image"][:, 1]) < 0.55


def test_a_view_of_scattered_light_has_the_limits_of_lenses_so_scattered(population):
    """Beside views of the same lenses as drawn, and for what the images are taken of."""
    lenses = draw_lenses(70) | {"theta_E": np.full(70, 1.2)}
    lenses |= {"lens_q": lenses["q"][::-1], "lens_phi": lenses["phi"][::-1]}
    scatters = {
        "as_drawn": None,
        "tight": {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 2.0},
        "wide": {"q_mean": 1.0, "q_sd": 0.3, "phi_sd": 40.0},
        "none": {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0},
    }
    views = {name: view_of("kept", ["r"], 1, light) for name, light in scatters.items()}
    found = bounds.limits_in_chunks(population, views, lenses)
    for name in ("tight", "wide"):
        so_scattered = realigned(population, "test", lenses, scatters[name])
        alone = bounds.limits_in_chunks(population, {name: views["as_drawn"]}, so_scattered)
        for kind, expected in alone[name].items():
            np.testing.assert_array_equal(found[name][kind], expected, err_msg=kind)
    # Light that is the mass's shape by construction leaves its own error, and no other.
    followed = bounds.limits_in_chunks(
        population,
        {"same": views["as_drawn"]},
        lenses | {"lens_q": lenses["q"], "lens_phi": lenses["phi"]},
    )["same"]
    np.testing.assert_allclose(found["none"]["informed"], followed["informed"], rtol=1e-3)
    medians = [np.median(found[name]["informed"][:, 1:3]) for name in ("none", "tight", "wide")]
    assert 0 < medians[0] < medians[1] < 0.8 * medians[2]


def test_limits_of_images_without_lens_light_are_those_of_fits(population):
    lenses = draw_lenses(40, seed=6)
    lenses["magnitude_lens_r"] = lenses["magnitude_lens_r"] + 15
    view, rows = view_of("removed", ["r"]), np.arange(5)
    found = bounds.limits_in_chunks(population, {"view": view}, lenses)["view"]
    by_mean = fits.least_errors(population, view, lenses, rows)
    for kind, sigma in by_mean.items():
        np.testing.assert_allclose(found[kind][rows, :3], sigma, rtol=1e-3, err_msg=kind)


def test_each_view_has_its_own_limits(population, tmp_path, monkeypatch):
    """Also where files are asked for in another order than that of the specs."""
    lenses, names = draw_lenses(30), ["vis_removed", "vis_kept"]
    views = {name: view_of(name.partition("_")[2], ["r"]) for name in names}
    specs = {name: {"population": population, "view": view} for name, view in views.items()}
    paths = [str(tmp_path / f"{name}.h5") for name in names]
    arguments = ["--catalogue", "none", "--specs", write_spec(specs, tmp_path), "--out", *paths]
    monkeypatch.setattr("sys.argv", ["", *arguments])
    monkeypatch.setattr(storage, "read_catalogue", lambda paths, split: (lenses, {}))
    monkeypatch.setattr(migrations, "check_catalogue", lambda *arguments: None)
    monkeypatch.setattr(
        provenance, "collect", lambda spec, inputs: {"light": spec["view"]["lens_light"]}
    )
    runpy.run_path(str(ROOT / "scripts/pearson2019_limits.py"))
    expected = bounds.limits_in_chunks(population, views, lenses)
    for name, path in zip(names, paths, strict=True):
        arrays, attrs = storage.read_h5(path)
        assert attrs["light"] == views[name]["lens_light"]
        np.testing.assert_array_equal(arrays["informed"], expected[name]["informed"])


def test_errors_of_shape_are_those_of_drawn_estimates():
    true = parameters(np.ones(3), np.array([0.3, 0.05, -0.1]), np.array([0.0, 0.1, 0.2]))
    bound = np.array([[0.1, 0.03, 0.05, 0.5], [0.1, 0.1, 0.1, 0.0], [0.2, 0.15, 0.05, -0.8]])
    rng, sd = np.random.default_rng(0), 0.2
    for prior_sd in (None, sd):
        found = metrics.expected_errors(true, bound, prior_sd)
        for k in range(3):
            s1, s2, r = bound[k, 1:]
            C = np.array([[s1**2, r * s1 * s2], [r * s1 * s2, s2**2]])
            mean = np.array([true["e1"][k], true["e2"][k]])
            if prior_sd is None:
                draws = rng.multivariate_normal(mean, C, 200_000)
            else:  # the posterior mean of noisy data, of which C is the posterior covariance
                noise = np.linalg.inv(np.linalg.inv(C) - np.eye(2) / sd**2)
                data = rng.multivariate_normal(mean, noise, 200_000)
                draws = data @ np.linalg.inv(noise) @ C
            drawn = parameters(1.0, *draws.T)
            error = metrics.errors({n: v[k] for n, v in true.items()}, drawn)
            for name in ("ellipticity", "phi"):
                rms = np.sqrt(np.mean(error[name] ** 2))
                assert found[name][k] == pytest.approx(rms, rel=0.03), (name, prior_sd, k)
        np.testing.assert_array_equal(found["e2"], bound[:, 2])
        np.testing.assert_allclose(found["fractional_theta_E"], bound[:, 0])


def test_a_singular_image_is_counted_and_not_averaged():
    true = parameters(np.ones(4), np.full(4, 0.2), np.full(4, 0.1))
    true["theta_E"] = np.array([1.0, 2.0, 1.0, 2.0])
    bound = np.full((4, 4), 0.1) * [1, 1, 1, 0]
    infinite = bound.copy()
    infinite[2, :3] = np.inf
    singular = np.array([False, False, True, False])
    expected = metrics.limits_by_kind({"scaled": infinite, "informed": bound}, true)
    table = metrics.summarise(expected, singular, true).set_index(["kind", "target"])
    assert table.loc[("scaled", "e1"), "singular"] == 1
    assert table.loc[("informed", "e1"), "singular"] == 0
    for kind in ("scaled", "informed"):
        assert table.loc[(kind, "theta_E"), "rms"] == pytest.approx(0.1)
    assert table.loc[("scaled", "theta_E"), "prior_dominated"] == 0.25


def test_factor_and_floor_are_found_again():
    rng = np.random.default_rng(1)
    limits = rng.uniform(0.01, 0.2, 100_000)
    errors = rng.standard_t(5, 100_000) / np.sqrt(5 / 3) * np.hypot(1.3 * limits, 0.04)
    factor, floor = factor_and_floor(errors, limits)
    assert factor == pytest.approx(1.3, rel=0.03) and floor == pytest.approx(0.04, rel=0.05)
    assert factor_and_floor(rng.normal(0, 0.04, 100_000), limits)[0] < 0.1
    assert factor_and_floor(rng.normal(0, limits), limits)[1] < 0.004


def test_binned_limits_are_in_the_bins_of_errors():
    true = parameters(np.array([0.5, 1.5, 1.6]), np.full(3, 0.2), np.full(3, 0.1))
    lenses = {"snr": np.array([25.0, 25.0, 100.0]), "lens_R_sersic": np.array([1.0, 1.0, 2.0])}
    bound = np.array([0.01, 0.03, 0.04])[:, None] * np.array([1, 1, 1, 0])
    table = metrics.binned_limits(
        metrics.limits_by_kind({"informed": bound}, true), lenses, true,
        {"theta_E": [0, 1, 2], "snr": [20, 50, 200], "theta_E_over_R_e": [0, 0.7, 2]},
    )  # fmt: skip
    rms = table[table["target"] == "theta_E"].set_index(["by", "low"])["rms"]
    assert rms["theta_E", 1.0] == pytest.approx(np.sqrt((0.03**2 + 0.04**2) / 2))
    assert rms["snr", 50.0] == pytest.approx(0.04)
    assert rms["theta_E_over_R_e", 0.0] == pytest.approx(0.01)


@pytest.mark.slow
def test_fits_from_the_truth_scatter_as_the_bounds_say(population):
    """Bright sources: z-scores of ten fits have unit scatter, and chi^2 is that of the pixels."""
    lenses, view = draw_lenses(60, magnitude=22.0), view_of("removed", ["r"])
    rows = np.arange(10)
    found = fits.least_errors(population, view, lenses, rows)
    told = []
    results = fits.fit_images(population, view, lenses, rows, None, told.append)
    assert told == [1] * 10
    true = to_vectors(lenses, ["theta_E", "e1", "e2"])[rows]
    for start, kind in (("truth_alone", "image"), ("truth", "informed")):
        z = (results[start][:, :3] - true) / found[kind]
        assert (z**2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / z.size)), start
        assert results[start][:, 5].all()
    n_pixels = population["survey"]["n_pix"] ** 2
    chi2 = 2 * results["truth_alone"][:, 3]
    assert chi2.mean() == pytest.approx(n_pixels, abs=5 * np.sqrt(2 * n_pixels / 10))


@pytest.mark.slow
def test_lenstronomy_finds_the_lens_that_we_drew(population):
    """With the chi^2 of the pixels, and as near as so small a swarm comes."""
    lenses, view, rows = draw_lenses(20, magnitude=22.0), view_of("removed", ["r"]), np.arange(1)
    true = to_vectors(lenses, ["theta_E", "e1", "e2"])
    swarm = {"sigma_scale": 1, "n_particles": 40, "n_iterations": 60}
    told = []
    found = lenstronomy_fits.fit_with_lenstronomy(
        population, view, lenses, rows, true + (0.02, 0.05, 0.05), swarm, told.append
    )
    assert told == [1]
    half, columns = population["survey"]["n_pix"] ** 2 / 2, fits.COLUMNS
    assert set(found) == set(lenstronomy_fits.STARTS)
    for results in found.values():
        one = dict(zip(columns, results[0], strict=True))
        assert np.abs(results[0, :3] - true[0]).max() < 0.05
        assert one["cost"] == pytest.approx(half, abs=4 * np.sqrt(half))
        assert one["cpu_seconds"] > 0 and one["evaluations"] == 2400


def _summary(rms, median):
    rows = [
        {"kind": kind, "target": target, "n": 9, "singular": 1, "rms": rms, "median": median,
         "prior_dominated": 0.5}
        for kind in ("scaled", metrics.LIMIT) for target in metrics.PARAMETERS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_nothing_printed_is_beside_what_is_changed():
    limits = {view: _summary(0.1, 0.02) for view in ("vis_kept", "r_kept")}
    networks = {view: pd.DataFrame({"target": metrics.PARAMETERS, "rms": 0.3}) for view in limits}
    registry = read_registry(ROOT / "config/claims.csv")
    table = tables.limits_table(limits, networks, registry, ["r_kept"]).set_index("view")
    assert table.loc["vis_kept", "printed"].notna().all()
    assert table.loc["r_kept", ["printed", "printed_efficiency"]].isna().all(axis=None)


def test_ratios_are_with_over_without():
    network = pd.DataFrame({"target": metrics.PARAMETERS, "rms": 0.3})
    none = network.iloc[:0]
    limits = {"deep": _summary(0.1, 0.02), "plain": _summary(0.2, 0.08)}
    table = tables.worth_table(
        limits, {"deep": network, "plain": none}, [("depth", "deep", "plain")]
    )
    assert set(table["limit"]) == {0.5} and set(table["image"]) == {0.25}
    assert table["network"].isna().all() and len(table) == len(metrics.PARAMETERS)


def test_fits_are_summarised_beside_bounds_of_the_same_images():
    """Errors of 3, 1 and 4 bounds; of theta_E by 15, 16 and 27 %, of which a fifth is the limit."""
    estimates = ["truth_alone"] * 3 + ["cnn"] * 3 + ["lenstronomy_blind"]
    frame = pd.DataFrame({"estimate": estimates, "index": [3, 5, 7, 7, 5, 3, 5]})
    true = np.array([2.0, 1.25, 3.0, 3.0, 1.25, 2.0, 1.25])
    for name in ("theta_E", "e1", "e2"):
        frame[f"true_{name}"] = true
        frame[name] = true + [-0.3, 0.2, 0.8, 0.0, -0.2, 0.6, 0.1]
        frame[f"image_{name}"] = [0.1, 0.2, 0.2, 9.0, 9.0, 9.0, 0.2]
        frame[f"informed_{name}"] = [9.0, 9.0, 9.0, 0.1, 0.1, 0.1, 9.0]
    frame = frame.assign(
        converged=[1.0, 0.0, 1.0, 1.0, 1.0, 1.0, np.nan],
        cpu_seconds=[1.0, 9.0, 2.0, np.nan, np.nan, np.nan, 30.0],
    )
    table = tables.fits_table({"view": frame}).set_index(["estimate", "target"])
    expected = {
        "n": 3, "rms": np.sqrt(0.77 / 3), "median": 0.3, "z_rms": np.sqrt((9 + 1 + 16) / 3),
        "network": np.sqrt(0.4 / 3), "limit": np.sqrt(0.03), "failed": 1 / 3,
        "not_converged": 1 / 3, "cpu_seconds": 2,
    }  # fmt: skip
    for name, value in expected.items():
        assert table.loc[("truth_alone", "e1"), name] == pytest.approx(value), name
    cnn, peer = (table.loc[(name, "e1")] for name in ("cnn", "lenstronomy_blind"))
    assert [cnn[name] for name in ("n", "failed", "limit", "z_rms")] == pytest.approx(
        [3, 1 / 3, 0.1, np.sqrt(40 / 3)]
    )
    assert [peer[name] for name in ("n", "rms", "network", "limit", "z_rms")] == pytest.approx(
        [1, 0.1, 0.2, 0.2, 0.5]
    )
