import json
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import stats

from lenscnn.core import storage
from lenscnn.papers.scutt.metrics import summarise
from lenscnn.papers.scutt.tables import (
    conditional_mean,
    performance_latex,
    performance_table,
    skill_latex,
    skill_table,
)
from lenscnn.records import provenance
from lenscnn.stats.latex import value_with_error

RUN = {"paper": "scutt", "scale": "smoke", "changed": ""}

SCRIPTS = ROOT / "scripts"
SUBSETS = ("varied", "alpha-2.4", "alpha-1.6")


def metrics_rows(estimate, target, seed, values, view="fixed"):
    """Rows with the gradient given and other statistics at fixed offsets from it."""
    return [
        {"view": view, "estimate": estimate, "target": target, "seed": seed, "subset": subset}
        | {"n": 100, "gradient": value, "gradient_err": 0.01, "sigma": value + 1, "sigma_err": 0.03}
        | {"rmse": value + 2, "rmse_err": 0.4, "bias": 0.0, "bias_err": 0.1}
        | {"skill": 0.5, "skill_err": 0.1, "correlation": value / 2, "correlation_err": 0.01}
        | {"sigma_unpaired": value + 3, "sigma_unpaired_err": 0.02}
        for subset, value in zip(SUBSETS, values, strict=True)
    ]


@pytest.fixture
def two_seeds():
    rows = metrics_rows("n_cnn", "N", 0, (0.9, 0.2, 0.1))
    rows += metrics_rows("n_cnn", "N", 1, (0.7, 0.4, 0.1))
    rows += metrics_rows("alpha_cnn", "alpha", 0, (0.6, np.nan, np.nan))
    rows += metrics_rows("alpha_cnn", "alpha", 1, (0.6, np.nan, np.nan))
    rows += metrics_rows("n_cnn", "N", 0, (9.0, 9.0, 9.0), view="lowres")
    return pd.DataFrame(rows)


def test_performance_table(two_seeds):
    table = performance_table(two_seeds, "fixed", ["n_cnn", "alpha_cnn"])
    assert list(table["alpha"]) == ["-1.6", "-2.4", "varied"]
    np.testing.assert_allclose(table["n_cnn_gradient"], [0.1, 0.3, 0.8])
    np.testing.assert_allclose(table["n_cnn_gradient_err"], 0.01)
    # Two values scatter by their difference over the root of two.
    np.testing.assert_allclose(table["n_cnn_gradient_scatter"], np.array([0, 0.2, 0.2]) / 2**0.5)
    np.testing.assert_allclose(table["n_cnn_rmse"], [2.1, 2.3, 2.8])
    np.testing.assert_allclose(table["n_cnn_correlation"], [0.05, 0.15, 0.4])
    np.testing.assert_allclose(table["n_cnn_sigma_unpaired"], [3.1, 3.3, 3.8])
    assert table["alpha_cnn_gradient"].isna().tolist() == [True, True, False]


def test_one_seed_has_no_scatter(two_seeds):
    table = performance_table(two_seeds[two_seeds["seed"] == 0], "fixed", ["n_cnn"])
    assert table["n_cnn_gradient_scatter"].isna().all()
    np.testing.assert_allclose(table["n_cnn_gradient"], [0.1, 0.2, 0.9])


def test_performance_table_names_what_is_missing(two_seeds):
    with pytest.raises(ValueError, match=r"no estimate 'n_net' of view 'fixed'.*'alpha_cnn'"):
        performance_table(two_seeds, "fixed", ["n_net"])


def test_performance_latex_joins_bootstrap_and_seeds(two_seeds):
    estimates = ["n_cnn", "alpha_cnn"]
    table = performance_table(two_seeds, "fixed", estimates)
    seen = {"n_pix": 80, "pixel_scale": 0.05, "sample": "fixed"}
    latex = performance_latex(table, seen, estimates, RUN | {"paper": "scutt_as_run"})
    assert r"$80 \times 80$ pixels of 0.05 arcsec, fixed lens geometry." in latex
    lines = latex.splitlines()
    # 0.8 +- hypot(0.01, 0.1414); alpha has no scatter.
    varied = next(line for line in lines if line.startswith("Varied"))
    assert varied == (
        r"Varied & $0.80(14)$ & $1.80(14)$ & $2.80(42)$ & $0.400(71)$ & $0.600(10)$ & "
        r"$1.600(30)$ & $2.60(40)$ & $0.300(10)$ \\"
    )
    fixed = next(line for line in lines if line.startswith("$-1.6$"))
    assert fixed.split(" & ")[5] == "--"
    assert all(line.count("&") == 8 for line in lines if line.startswith(("$-", "Varied")))
    assert r"\texttt{scutt\_as\_run}; scale: \texttt{smoke}" in latex
    assert r"\begin{tabular}{lcccccccc}" in latex


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.6581, 0.0123, "$0.658(12)$"),
        (48.83, 1.26, "$48.8(1.3)$"),
        (155.4, 12.1, "$155(12)$"),
        (0.5, 0.0996, "$0.50(10)$"),
        (0.5, 0.996, "$0.5(1.0)$"),
        (-0.04, 0.00421, "$-0.0400(42)$"),
        (0.25, 0.0, "$0.250$"),
        (0.25, np.nan, "$0.250$"),
        (np.nan, np.nan, "--"),
    ],
)
def test_value_with_error(value, error, text):
    assert value_with_error(value, error) == text


def test_conditional_mean_pools_what_rises():
    # Worked by hand: means 0, -1 (of -2 and 0), -0.4; the rise from -1 (two rows) to -0.4 (one) is
    # pooled to -0.8.
    knots, values = conditional_mean(np.array([1, 2, 2, 3]), np.array([0, -2.0, 0, -0.4]))
    np.testing.assert_allclose(knots, [1, 2, 3])
    np.testing.assert_allclose(values, [0, -0.8, -0.8])


def test_conditional_mean_of_a_normal_pair():
    rng = np.random.default_rng(3)
    x = np.round(rng.normal(300, 50, 100_000))
    y = -2 - 0.004 * (x - 300) + rng.normal(0, 0.2, x.size)
    knots, values = conditional_mean(x, y)
    inside = np.abs(knots - 300) < 120
    np.testing.assert_allclose(values[inside], -2 - 0.004 * (knots - 300)[inside], atol=0.03)
    assert (np.diff(values) <= 0).all()


@pytest.fixture
def population():
    """Uniform alpha, and N straight in alpha with normal scatter of 30."""
    rng = np.random.default_rng(5)

    def draw(n):
        alpha = rng.uniform(-2.5, -1.5, n)
        return {"alpha": alpha, "N": -400 - 400 * alpha + rng.normal(0, 30, n)}

    return draw


def test_skill_table(population):
    training, test = population(20_000), population(4000)
    noise = np.random.default_rng(6).normal(0, 60, 4000)
    subset = np.full(4000, "varied")
    test |= {"subset": subset, "predicted": test["N"] + noise}
    network = summarise(test["N"], test["predicted"], subset, 20)
    network = network.assign(view="fixed", estimate="n_cnn", target="N", seed=0)
    table = skill_table(network, "fixed", training, [test], -2.0, 20)
    assert list(zip(table["target"], table["estimator"], strict=True)) == [
        ("N", "n_cnn"),
        ("N", "constant"),
        ("alpha", "constant"),
        ("alpha", "alpha_from_n_cnn"),
        ("alpha", "alpha_from_true_n"),
    ]
    table = table.set_index(["target", "estimator"])
    # A constant at the mean of a uniform of width 1 errs by 1 / sqrt(12).
    constant = table.loc[("alpha", "constant")]
    assert constant["rmse"] == pytest.approx(12**-0.5, rel=0.02)
    assert constant["skill"] == pytest.approx(0, abs=0.01)
    assert table.loc[("N", "constant"), "gradient"] == pytest.approx(0, abs=1e-12)
    # Away from the edges alpha errs by 30 / 400 given N; the edges help a little.
    true_n = table.loc[("alpha", "alpha_from_true_n")]
    assert 0.062 < true_n["rmse"] < 0.077
    assert true_n["skill"] == pytest.approx(1 - 12 * true_n["rmse"] ** 2, abs=0.02)
    # The table read at a noisy N: worse than at the true one, better than nothing.
    assert true_n["rmse"] < table.loc[("alpha", "alpha_from_n_cnn"), "rmse"] < 0.2
    # The network's own row: errors of 60 on a variance of 400^2 / 12 + 30^2.
    expected = 1 - 60**2 / (400**2 / 12 + 30**2)
    assert table.loc[("N", "n_cnn"), "skill"] == pytest.approx(expected, abs=0.02)


def test_skill_of_seeds_is_averaged_and_their_scatter_joins_the_error(population):
    training, test = population(2000), population(1000)
    test["subset"] = np.full(1000, "varied")
    close, far = (test | {"predicted": test["N"] + shift} for shift in (0, 200))
    rows = metrics_rows("alpha_cnn", "alpha", 0, (0.6, np.nan, np.nan))
    one, other, both = (
        skill_table(pd.DataFrame(rows), "fixed", training, n, -2.0, 10)
        .set_index("estimator")
        .loc["alpha_from_n_cnn"]
        for n in ([close], [far], [close, far])
    )
    assert both["rmse"] == pytest.approx((one["rmse"] + other["rmse"]) / 2)
    assert both["rmse_err"] > stats.sem([one["rmse"], other["rmse"]])  # half the difference


def test_a_ridge_regression_has_a_row_or_a_sentence(population):
    training, test = population(2000), population(500)
    test |= {"subset": np.full(500, "varied"), "predicted": test["N"]}
    rows = metrics_rows("alpha_cnn", "alpha", 0, (0.6, np.nan, np.nan))
    ridge = metrics_rows("ridge_alpha", "alpha", 0, (0.4, np.nan, np.nan))
    ridge += metrics_rows("ridge_n", "N", 0, (0.3, np.nan, np.nan))
    with_it, without = (
        skill_table(pd.DataFrame(part), "fixed", training, [test], -2.0, 10)
        for part in (rows + ridge, rows)
    )
    found = with_it.set_index("estimator")["gradient"]
    assert (found["ridge_n"], found["ridge_alpha"]) == (0.3, 0.4)
    latex = skill_latex(with_it, RUN)
    assert latex.count("& ridge regression & $0.") == 2 and "left out" not in latex
    assert "ridge regression on images is left out" in skill_latex(without, RUN)


def test_skill_latex_says_view_and_target_once(population):
    training, test = population(2000), population(500)
    test |= {"subset": np.full(500, "varied"), "predicted": test["N"]}
    rows = pd.DataFrame(metrics_rows("alpha_cnn", "alpha", 0, (0.6, np.nan, np.nan)))
    table = skill_table(rows, "fixed", training, [test], -2.0, 10)
    latex = skill_latex(pd.concat([table, table.assign(view="varied")]), RUN)
    assert latex.count(r"\texttt{fixed}") == latex.count(r"\texttt{varied}") == 1
    assert latex.count(r"\midrule") == 2
    assert "-0.000" not in latex
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(body) == 1 + 2 * len(table)
    assert all(line.count("&") == 8 for line in body)


def run_script(name, **job):
    runpy.run_path(str(SCRIPTS / name), {"snakemake": SimpleNamespace(**job)})


def test_scripts_from_predictions_to_tables(tmp_path, population):
    training, test = population(500), population(300)
    subset = np.repeat(["varied", "alpha-2.0"], 150)
    common = {"subset": subset, "N": test["N"], "alpha": test["alpha"]}
    folder, made = tmp_path / "predictions" / "fixed", {"training": {"epochs": 1}, "images": {}}
    for estimate, target in (("n_cnn", "N"), ("alpha_cnn", "alpha")):
        arrays = common | {"true": test[target], "predicted": 0.5 * test[target]}
        attrs = {"target": target, **provenance.collect(made, [])}
        storage.write_h5(folder / f"{estimate}_seed0.h5", arrays, attrs)
    storage.write_h5(tmp_path / "train.h5", training, {})
    paths = [folder / "n_cnn_seed0.h5", folder / "alpha_cnn_seed0.h5"]
    measured = tmp_path / "metrics" / "fixed.csv"
    run_script(
        "metrics.py",
        input=SimpleNamespace(predictions=paths),
        output=[measured],
        params=SimpleNamespace(
            bootstrap=5,
            made_with=[json.dumps(made | {"n_from": "none", "target": t}) for t in ("N", "alpha")],
        ),
        wildcards=SimpleNamespace(view="fixed"),
    )
    origin, changed = RUN, {"fixed": ["z_lens 0.5 (1.0)"]}
    output = SimpleNamespace(csv=tmp_path / "table1.csv", tex=tmp_path / "table1.tex")
    run_script(
        "tables/scutt_table.py",
        input=SimpleNamespace(metrics=measured),
        output=output,
        params=SimpleNamespace(
            view="fixed", estimates=["n_cnn", "alpha_cnn"], run=origin, changed=changed,
            seen={"n_pix": 60, "pixel_scale": 0.1, "sample": "fixed"},
        ),
    )  # fmt: skip
    table = pd.read_csv(output.csv)
    assert list(table["alpha"]) == ["-2.0", "varied"]
    assert set(table["changed"]) == {"z_lens 0.5 (1.0)"}
    np.testing.assert_allclose(table["alpha_cnn_gradient"], 0.5, rtol=1e-6)
    assert output.tex.read_text().startswith(r"\begin{table}")
    output = SimpleNamespace(csv=tmp_path / "skill.csv", tex=tmp_path / "skill.tex")
    run_script(
        "tables/scutt_skill.py",
        input=SimpleNamespace(
            metrics=[measured], training=[tmp_path / "train.h5"], n_predictions=paths[:1]
        ),
        output=output,
        params=SimpleNamespace(
            views=["fixed"],
            alpha_constant=-2.0,
            bootstrap=5,
            run=origin,
            changed={},
        ),
    )
    expected = (
        "view target estimator n_seeds gradient correlation rmse rmse_err bias sigma skill "
        "skill_err"
    )
    found = pd.read_csv(output.csv)
    assert list(found.columns) == expected.split()
    # Half of N, and E[alpha | N] at the true N, of which the correlation squared is the skill.
    assert found.set_index("estimator").loc["n_cnn", "correlation"] == pytest.approx(1)
    learned = found.set_index("estimator").loc["alpha_from_true_n"]
    assert learned["correlation"] ** 2 == pytest.approx(learned["skill"], abs=0.02)
    assert "skill" in output.tex.read_text().lower()
