"""The selection function's summary, against samples whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from lenstronomy.LensModel.lens_model import LensModel
from scipy import integrate, stats

from lenscnn.instrument.survey import background
from lenscnn.papers.pearson2019 import selection
from lenscnn.papers.pearson2019.detection import make_detection_test
from lenscnn.papers.pearson2019.figures.selection import selection_figure
from lenscnn.papers.pearson2019.scene import render_scene


def test_fit_of_a_normal_sample_is_its_law():
    values = np.random.default_rng(1).normal(279, 39, 10_000)
    amplitude, mean, sd = selection.fit_gaussian(values)
    # Least squares on 30 bins is a little less efficient than the moments.
    assert mean == pytest.approx(279, abs=5 * 39 / 100)
    assert sd == pytest.approx(39, abs=8 * 39 / np.sqrt(2e4))
    assert amplitude == pytest.approx(1 / (np.sqrt(2 * np.pi) * 39), rel=0.05)


def test_fit_of_a_skewed_sample_follows_its_peak():
    law = stats.gamma(3, scale=0.5)
    _, mean, _ = selection.fit_gaussian(law.rvs(20_000, random_state=2))
    mode = 1.0  # (shape - 1) scale
    assert mode < mean < law.mean()


def test_histogram_is_a_density():
    values = np.random.default_rng(3).normal(0, 1, 5000)
    edges, density = selection.histogram(values)
    assert len(density) == 30
    assert (density * np.diff(edges)).sum() == pytest.approx(0.998, abs=2e-3)


def test_summary_has_errors_of_the_right_size():
    rng = np.random.default_rng(4)
    lenses = {name: rng.normal(5, 1, 4000) for name in selection.QUANTITIES}
    printed = dict.fromkeys(selection.QUANTITIES, (5.0, 1.0))
    table = selection.summarise("euclid", lenses, printed, 40).set_index("quantity")
    assert list(table.index) == list(selection.QUANTITIES)
    assert np.all(table["fit_mean_err"].between(0.7 / np.sqrt(4000), 2 / np.sqrt(4000)))
    assert np.all(abs(table["fit_mean"] - 5) < 5 * table["fit_mean_err"])


def test_few_resamples_are_fitted_however_many_there_are():
    values = np.random.default_rng(3).normal(5, 1, 400)
    method, fits = selection.resampled_fits(values, 200)
    assert method == "histogram" and fits.shape == (1 + selection.FITS, 3)
    np.testing.assert_array_equal(fits[0], selection.fit_gaussian(values))
    assert selection.resampled_fits(values, 7)[1].shape == (8, 3)


def test_moments_stand_for_a_fit_that_leaves_its_sample():
    """A truncated exponential, whose moments have a closed form, falls from its lower end on."""
    law = stats.truncexpon(b=4, loc=0.1, scale=0.25)  # 0.1 to 1.1
    values = law.rvs(4000, random_state=5)
    assert selection.fit_gaussian(values)[1] < 0.1
    method, fits = selection.resampled_fits(values, 200)
    assert method == "moments" and len(fits) == 1 + selection.FITS
    amplitude, mean, sd = fits[0]
    ends = np.exp(-4.0)
    assert law.mean() == pytest.approx(0.1 + 0.25 * (1 - 4 * ends / (1 - ends)))
    assert mean == pytest.approx(law.mean(), abs=5 * law.std() / np.sqrt(4000))
    assert sd == pytest.approx(law.std(), rel=0.06)
    assert amplitude == pytest.approx(stats.norm(mean, sd).pdf(mean))
    error = fits[1:, 1].std(ddof=1)
    assert error == pytest.approx(law.std() / np.sqrt(4000), rel=0.5)
    lenses = dict.fromkeys(selection.QUANTITIES, values)
    lenses["sigma_v"] = stats.norm.rvs(5, 1, 400, random_state=1)
    printed = dict.fromkeys(selection.QUANTITIES, (0.3, 0.2))
    table = selection.summarise("lsst", lenses, printed, 5)
    assert table["fit_method"].tolist() == ["moments", "histogram", "moments", "moments"]
    assert table["fit_mean"][0] == pytest.approx(mean)


def test_the_figure_says_what_is_a_fit_and_what_are_moments():
    falling = stats.truncexpon.rvs(b=4, loc=0.1, scale=0.25, size=400, random_state=5)
    samples = {
        "lsst": dict.fromkeys(selection.QUANTITIES, falling),
        "euclid": dict.fromkeys(selection.QUANTITIES, stats.norm.rvs(5, 1, 400, random_state=1)),
    }
    none = dict.fromkeys(selection.QUANTITIES, (np.nan, np.nan))
    tables = [selection.summarise(name, lenses, none, 5) for name, lenses in samples.items()]
    labels = {"lsst": "LSST", "euclid": "Euclid"}
    figure = selection_figure(samples, {}, pd.concat(tables), [["theta_E"]], labels, None)
    drawn = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert drawn[0].startswith(f"LSST: moments {falling.mean():.2f}, {falling.std():.2f}")
    assert drawn[1].startswith("Euclid: fit ")


def _system(**changes):
    """A round exponential source behind a lens, one row."""
    columns = {
        "theta_E": 1.0, "q": 0.8, "phi": 0.4, "center_x": 0.0, "center_y": 0.0,
        "source_x": 0.35, "source_y": 0.2, "source_R_sersic": 0.05, "source_n_sersic": 1.0,
        "source_q": 1.0, "source_phi": 0.0, "magnitude_source_VIS": 24.0,
    } | changes  # fmt: skip
    return {name: np.array([value]) for name, value in columns.items()}


def _population(config, survey):
    paper = config["pearson2019"]
    return {
        "criteria": paper["criteria"] | {"mu": 0.0, "snr": 0.0},  # no system fails by far
        "survey": {"name": survey, **paper["surveys"][survey]},
        "scene": paper["scene"],
    }


@pytest.mark.parametrize(("theta_E", "field"), [(1.0, 1), (2.6, 2)])
def test_magnification_of_a_small_source_is_that_of_its_images(config, theta_E, field):
    """Sum of |mu| over lenstronomy's images of the source's centre, be they beyond the stamp."""
    from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

    from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy

    at = {"source_x": 0.35 * theta_E, "source_y": 0.2 * theta_E}
    system = _system(theta_E=theta_E, source_R_sersic=0.02, **at)
    population = _population(config, "euclid")
    population["criteria"]["field"] = field
    mu, _ = make_detection_test(population)(system)
    e1, e2 = q_phi_to_e1_e2_lenstronomy(0.8, 0.4)
    lens = LensModel(["SIE"])
    arguments = [{"theta_E": theta_E, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0}]
    x, y = LensEquationSolver(lens).image_position_from_source(
        *at.values(), arguments, search_window=5 * field, min_distance=0.02
    )
    expected = np.abs(lens.magnification(x, y, arguments)).sum()
    assert mu[0] == pytest.approx(expected, rel=0.02)
    stamp = (np.abs(x) < 2.85) & (np.abs(y) < 2.85)
    assert stamp.all() == (field == 1)


def test_source_and_light_move_with_the_lens(config):
    """By whole pixels: the same images elsewhere on the stamp."""
    population = _population(config, "euclid")
    light = {"lens_R_sersic": 0.3, "lens_n_sersic": 1.0, "lens_q": 0.7, "lens_phi": 1.1}
    images = [
        render_scene(
            population["survey"], population["scene"], _system(**light, **centre),
            with_lens_light=True,
        )
        for centre in ({}, {"center_x": 0.3, "center_y": -0.2})
    ]  # fmt: skip
    for here, there in zip(*images, strict=True):
        if here.ndim == 4:
            here, there = here[..., 2:, :-3], there[..., :-2, 3:]
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-5)


def test_signal_to_noise_is_equation_5(config):
    """A nearly unlensed, round, wide source: the pixels above one sigma are a disc."""
    population = _population(config, "euclid")
    survey, flux = population["survey"], 10 ** (-0.4 * (21.0 - 25.5)) * 565.0
    sigma = background(survey, "VIS").variance ** 0.5
    R, b = 0.6, 1.9992 - 0.3271  # b as in lenstronomy
    peak = flux * b**2 / (2 * np.pi * R**2) * survey["pixel_scale"] ** 2
    edge = R * np.log(peak / sigma) / b  # where a pixel holds one sigma
    total, _ = integrate.quad(lambda r: 2 * np.pi * r * np.exp(-b * r / R) * peak / 0.01, 0, edge)
    expected = total / (sigma * np.sqrt(np.pi * edge**2 / 0.01))
    system = _system(
        theta_E=1e-4, source_x=0.0, source_y=0.0, source_R_sersic=R, magnitude_source_VIS=21.0
    )
    _, snr = make_detection_test(population)(system)
    # The point-spread function moves light of the centre outwards, but little beyond the edge.
    assert snr[0] == pytest.approx(expected, rel=0.02)
    # Over all pixels of the stamp it is the flux there over the noise there.
    population["criteria"]["pixels"] = "all"
    mu, snr = make_detection_test(population)(system)
    assert snr[0] == pytest.approx(mu[0] * flux / (sigma * 57), rel=1e-5)


def test_any_band_is_the_best_of_them(config):
    """Against the criteria judged in each of them alone."""
    population = _population(config, "lsst")
    magnitudes = {"g": [23.0, 21.0, 26.0], "r": [22.0, 23.0, 26.0], "i": [24.0, 24.0, 21.0]}
    system = {name: np.repeat(column, 3) for name, column in _system().items()}
    system |= {f"magnitude_source_{band}": np.array(m) for band, m in magnitudes.items()}
    alone = []
    for band in "gri":
        population["survey"]["detection_band"] = band
        alone.append(make_detection_test(population)(system)[1])
    population["criteria"]["any_band"] = True
    _, snr = make_detection_test(population)(system)
    np.testing.assert_array_equal(snr, np.max(alone, axis=0))
    assert {*np.argmax(alone, axis=0)} == {0, 1, 2}
