import numpy as np
import pytest
from scipy import stats

from lenscnn.core import storage
from lenscnn.papers.scutt import metrics
from lenscnn.papers.scutt.metrics import (
    STATISTICS,
    bootstrap,
    correlation,
    evaluate,
    fixed_alpha,
    gradient,
    sigma68,
    sigma_unpaired,
    skill,
    statistics,
    summarise,
)
from lenscnn.stats.over_seeds import estimate_and_seed


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_gradient_is_the_slope_of_scipy_linregress(rng):
    true = rng.uniform(-2.5, -1.5, 500)
    predicted = 0.3 * true - 1 + rng.normal(0, 0.2, 500)
    assert gradient(true, predicted) == pytest.approx(
        stats.linregress(true, predicted).slope, rel=1e-10
    )


def test_gradient_and_skill_are_nan_for_a_constant_truth(rng):
    true = np.full(999, np.float32(-2.2), dtype=float)  # its mean does not round to itself
    predicted = rng.normal(-2.2, 0.1, 999)
    assert np.isnan(gradient(true, predicted))
    assert np.isnan(skill(true, predicted))
    assert metrics.rmse(true, predicted) == pytest.approx(0.1, rel=0.1)


def test_normal_errors(rng):
    true = rng.uniform(0, 1, 200_000)
    predicted = true + rng.normal(0.05, 0.2, true.size)
    assert sigma68(true, predicted) == pytest.approx(0.2, rel=0.01)
    assert metrics.bias(true, predicted) == pytest.approx(0.05, abs=0.002)
    assert metrics.rmse(true, predicted) == pytest.approx(np.hypot(0.2, 0.05), rel=0.01)
    # Var of a uniform of width 1 is 1/12.
    assert skill(true, predicted) == pytest.approx(1 - 12 * (0.2**2 + 0.05**2), abs=0.01)


def test_sigma_ignores_outliers_and_takes_the_printed_interval():
    predicted = np.linspace(-1, 1, 10_001)  # uniform errors: the central 68.27 % reach 0.6827
    assert sigma68(np.zeros(10_001), predicted) == pytest.approx(0.6827, abs=1e-6)
    predicted[:100] = -1e6
    assert sigma68(np.zeros(10_001), predicted) == pytest.approx(0.6827, abs=1e-6)


def test_constant_answers(rng):
    true = rng.uniform(-2.5, -1.5, 1000)
    at_mean = np.full(1000, true.mean())
    assert skill(true, at_mean) == pytest.approx(0, abs=1e-12)
    assert gradient(true, at_mean) == pytest.approx(0, abs=1e-12)
    assert skill(true, true) == 1
    assert correlation(true, true) == pytest.approx(1)


def test_correlation_is_that_of_scipy_and_scaling_does_not_change_it(rng):
    true = rng.uniform(-2.5, -1.5, 1000)
    predicted = 0.3 * true - 1 + rng.normal(0, 0.2, 1000)
    expected = stats.pearsonr(true, predicted).statistic
    assert correlation(true, predicted) == pytest.approx(expected, rel=1e-10)
    assert correlation(true, 7 * predicted + 3) == pytest.approx(expected, rel=1e-10)
    constant = np.full(1000, -2.2)  # its mean is not -2.2 to the last bit
    assert np.isnan(correlation(constant, predicted))
    assert np.isnan(correlation(true, constant))


def test_unpaired_sigma_is_what_numpy_broadcasts_to(rng):
    true = rng.uniform(-2.5, -1.5, 500)
    predicted = 0.3 * true - 1 + rng.normal(0, 0.2, 500)
    column = predicted[:, None]  # as Keras returns estimates of one target
    assert sigma_unpaired(true, predicted) == pytest.approx(np.std(column - true))


def test_least_squares_estimates_have_gradient_skill_and_squared_correlation_in_common(rng):
    """And their spread over that of the truth is the correlation."""
    features = rng.normal(size=(2000, 5))
    true = features @ rng.normal(size=5) + rng.normal(0, 2, 2000)
    design = np.column_stack([features, np.ones(2000)])
    fitted = design @ np.linalg.lstsq(design, true, rcond=None)[0]
    found = statistics(true, fitted)
    assert found["gradient"] == pytest.approx(found["skill"], rel=1e-9)
    assert found["correlation"] ** 2 == pytest.approx(found["skill"], rel=1e-9)
    assert fitted.std() / true.std() == pytest.approx(found["correlation"], rel=1e-9)


def test_statistics_reduce_the_last_axis(rng):
    true, predicted = rng.normal(size=(2, 5, 40))
    stacked = statistics(true, predicted)
    for name in STATISTICS:
        rows = [statistics(t, p)[name] for t, p in zip(true, predicted, strict=True)]
        np.testing.assert_allclose(stacked[name], rows)


def test_bootstrap_errors_against_closed_forms(rng):
    n, sd = 4000, 0.3
    true = rng.uniform(0, 10, n)
    predicted = true + rng.normal(0, sd, n)
    errors = bootstrap(true, predicted, 400)
    assert errors["bias"] == pytest.approx(sd / np.sqrt(n), rel=0.12)
    assert errors["rmse"] == pytest.approx(sd / np.sqrt(2 * n), rel=0.12)
    assert errors["gradient"] == pytest.approx(stats.linregress(true, predicted).stderr, rel=0.12)
    # A normal quantile at p has variance p (1 - p) / (n f^2); the half width is half the
    # difference of two, whose covariance is p^2 / (n f^2).
    p, z = (1 - 0.6827) / 2, stats.norm.ppf((1 - 0.6827) / 2)
    closed = sd / stats.norm.pdf(z) * np.sqrt((p * (1 - p) - p**2) / (2 * n))
    # Wider: the resamples know the density at the quantiles only as well as the data do.
    assert errors["sigma"] == pytest.approx(closed, rel=0.3)


def test_bootstrap_depends_on_nothing_but_the_data(rng, monkeypatch):
    true, predicted = rng.normal(size=(2, 300))
    whole = bootstrap(true, predicted, 50)
    monkeypatch.setattr("lenscnn.stats.bootstrap._CHUNK", 7 * 300)
    assert bootstrap(true, predicted, 50) == whole


def test_bootstrap_needs_two_resamples():
    with pytest.raises(ValueError, match="at least 2 resamples"):
        bootstrap(np.arange(3.0), np.arange(3.0), 1)


def test_summarise_gives_one_row_a_subset(rng):
    subset = np.repeat(["varied", "alpha-1.6"], [300, 100])
    true = np.where(subset == "varied", rng.uniform(-2.5, -1.5, 400), -1.6)
    predicted = true + rng.normal(0, 0.1, 400)
    table = summarise(true, predicted, subset, 20).set_index("subset")
    assert dict(table["n"]) == {"alpha-1.6": 100, "varied": 300}
    assert np.isnan(
        table.loc["alpha-1.6", ["gradient", "gradient_err", "skill"]].astype(float)
    ).all()
    errors = (predicted - true)[subset == "alpha-1.6"]
    assert table.loc["alpha-1.6", "bias"] == pytest.approx(errors.mean())
    assert table.loc["varied", "gradient"] == pytest.approx(1, abs=0.1)


def test_summarise_keeps_the_gradient_of_n_at_fixed_alpha(rng):
    n = rng.normal(350, 50, 500)
    table = summarise(n, 0.2 * n + 300, np.full(500, "alpha-2.0"), 5)
    assert table["gradient"].item() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted": np.array([1.0, np.nan, 2, 3])}, "1 of 4 predicted values are not finite"),
        ({"predicted": np.ones(3)}, "differ in shape"),
        ({"subset": np.array(["varied"] * 3 + ["alpha-1.6"])}, "'alpha-1.6' has one row"),
    ],
)
def test_summarise_refuses_bad_input(change, message):
    given = {"true": np.arange(4.0), "predicted": np.ones(4), "subset": np.full(4, "varied")}
    with pytest.raises(ValueError, match=message):
        summarise(**(given | change), resamples=2)


def test_names():
    assert estimate_and_seed("a/b/alpha_cnn_true_n_seed12.h5") == ("alpha_cnn_true_n", 12)
    with pytest.raises(ValueError, match=r"<estimate>_seed<seed>\.h5"):
        estimate_and_seed("n_cnn.h5")
    assert fixed_alpha("alpha-1.6") == -1.6
    for other in ("varied", "alpha_1.6"):
        with pytest.raises(ValueError, match=other):
            fixed_alpha(other)


def write_predictions(path, **attrs):
    true = np.linspace(-2.5, -1.5, 50)
    arrays = {"true": true, "predicted": 0.5 * true - 1, "subset": np.full(50, "varied")}
    storage.write_h5(path, arrays, {"target": "alpha"} | attrs)


def test_evaluate_stacks_files(tmp_path):
    paths = [tmp_path / "alpha_cnn_seed0.h5", tmp_path / "alpha_cnn_seed1.h5"]
    for path in paths:
        write_predictions(path)
    table = evaluate(paths, "fixed", 10)
    expected = ["view", "estimate", "target", "seed", "subset", "n"]
    expected += [f"{name}{end}" for name in STATISTICS for end in ("", "_err")]
    assert list(table.columns) == expected
    assert list(table["seed"]) == [0, 1]
    assert list(table["view"] + table["estimate"] + table["target"]) == ["fixedalpha_cnnalpha"] * 2
    np.testing.assert_allclose(table["gradient"], 0.5)


def test_evaluate_names_the_bad_file(tmp_path):
    path = tmp_path / "n_cnn_seed0.h5"
    storage.write_h5(path, {"true": np.ones(3)}, {"target": "N"})
    with pytest.raises(storage.DataFileError, match=r"n_cnn_seed0\.h5 lacks predicted, subset"):
        evaluate([path], "fixed", 10)
    bad = {"true": np.ones(3), "predicted": np.full(3, np.nan), "subset": np.full(3, "varied")}
    storage.write_h5(path, bad, {"target": "N"})
    with pytest.raises(ValueError, match=r"n_cnn_seed0\.h5: 3 of 3 predicted"):
        evaluate([path], "fixed", 10)
