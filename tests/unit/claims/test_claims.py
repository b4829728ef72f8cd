"""The claims ledger: its registry against the papers, its formulas by hand, its verdicts."""

import itertools
import json
import re
import runpy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from lenscnn.claims import formulas
from lenscnn.claims.formulas import FormulaError, Quantity
from lenscnn.claims.ledger import (
    CONTRADICTED,
    NOT_COMPARED,
    SPREAD,
    TOO_FEW_IMAGES,
    VERDICTS,
    Estimate,
    evaluate,
    make_ledger,
    verdict,
)
from lenscnn.claims.page import page
from lenscnn.claims.quantities import list_predictions
from lenscnn.claims.registry import (
    COLUMNS,
    KINDS,
    UNEXPLAINED,
    ClaimError,
    check_formulas,
    printed,
    read_reasons,
    read_registry,
)
from lenscnn.claims.registry import REASONS as REASONS_COLUMNS
from lenscnn.core import storage
from lenscnn.papers.pearson2019 import metrics, selection
from lenscnn.papers.pearson2019.claims import Pearson2019Results
from lenscnn.papers.results import RESULTS
from lenscnn.papers.scutt import metrics as scutt_metrics
from lenscnn.papers.scutt import population as scutt
from lenscnn.papers.scutt.claims import ScuttResults
from lenscnn.papers.scutt.metrics import fixed_alpha

REGISTRY, REASONS = ROOT / "config/claims.csv", ROOT / "config/reasons.csv"
EPOCHS, IMAGES, RESAMPLES = 3, 240, 20
FUNCTIONS = ScuttResults.FUNCTIONS | Pearson2019Results.FUNCTIONS
CONSTANTS = ScuttResults.CONSTANTS | Pearson2019Results.CONSTANTS
SUBSETS = ["varied", *CONSTANTS["ALPHAS"]]
CORE = [f"{camera}_{light}" for camera in ("vis", "r", "gri") for light in ("removed", "kept")]
LITERAL = {view: view.replace("vis_", "vis_dark_") for view in CORE} | {
    name: f"{name}_literal" for name in ("euclid", "lsst")
}
SCATTER = {
    "train": {"caustic_e0_phi0": 0, "caustic_e12_phi10": 1},
    "test": {"caustic_e0_phi0": 0, "caustic_e12_phi10": 1, "caustic_e24_phi20": 2},
}
NO_REASONS = pd.DataFrame(columns=REASONS_COLUMNS)
TOLERANCES = dict.fromkeys((*KINDS, SPREAD), 0.1)

# The papers' tables, typed again.
PEARSON_TABLE = {  # theta_E, e1, e2, ellipticity, phi
    "noLL.VIS": "0.051 0.081 0.081 0.068 0.300", "LL.VIS": "0.081 0.100 0.104 0.085 0.347",
    "noLL.r": "0.060 0.075 0.073 0.061 0.294", "LL.r": "0.105 0.100 0.099 0.082 0.335",
    "noLL.gri": "0.046 0.058 0.058 0.050 0.239", "LL.gri": "0.083 0.081 0.080 0.069 0.274",
}  # fmt: skip
SCUTT_TABLES = {  # sigma and RMSE from alpha = -1.6 to -2.4; then varied: gradient, sigma, RMSE
    "T1.N": "37.9 44.9 43.2 46.5 49.1 49.6 50.4 50.5 48.3 52.6 0.993 48.8 49.0",
    "T1.a": "0.212 0.276 0.248 0.261 0.284 0.284 0.309 0.315 0.310 0.331 0.658 0.441 0.294",
    "T2.N": "37.8 52.1 40.9 45.6 44.9 44.9 48.0 52.5 50.6 70.7 0.923 61.0 61.9",
    "T2.a": "0.181 0.259 0.191 0.197 0.206 0.221 0.215 0.290 0.213 0.367 0.495 0.407 0.290",
    "T3.N": "86.6 202 92.0 177 97.0 147 107 123 114 114 0.383 121 155",
    "T3.a": "0.215 0.563 0.223 0.405 0.236 0.283 0.247 0.248 0.259 0.324 0.123 0.375 0.380",
    "T4.a": "0.141 0.172 0.151 0.152 0.173 0.199 0.206 0.261 0.239 0.296 0.669 0.396 0.223",
}


@pytest.fixture(scope="module")
def registry():
    return read_registry(REGISTRY)


def claim_of(**columns):
    empty = dict.fromkeys(COLUMNS, "")
    return pd.Series(empty | {"id": "X.1", "paper": "scutt", "unit": "1"} | columns)


def tree(formula):
    parsed = formulas.parse(formula)
    formulas.check_names(parsed, FUNCTIONS, CONSTANTS)
    return parsed


def value_of(formula, of, seed=0):
    return formulas.evaluate(tree(formula), of.functions(seed), CONSTANTS)


# The registry.


def test_every_claim_is_there_once(registry):
    # Of four printed numbers there are two rows, four correlations are not printed.
    assert len(registry) == 206 + 3 + 4 + 4
    counts = registry["paper"].value_counts()
    assert (counts["pearson2019"], counts["scutt"]) == (83 + 3, 123 + 4 + 4)
    assert registry["printed"].str.endswith("(derived)").sum() == 4
    later = registry[registry["where"] == "abstract of July 2019"]
    assert list(later["value"]) == ["34", "24", "20"]


def test_tables_are_as_printed(registry):
    printed = registry.set_index("id")["printed"]
    for column, text in PEARSON_TABLE.items():
        names = ("thetaE", "e1", "e2", "ell", "phi")
        found = [printed[f"P1.T1.{column}.{name}"] for name in names]
        assert " ".join(found) == text
    for column, text in SCUTT_TABLES.items():
        rows = [f"{subset}.{name}" for subset in SUBSETS[1:] for name in ("sigma", "rmse")]
        rows += [f"varied.{name}" for name in ("gradient", "sigma", "rmse")]
        assert " ".join(printed[f"P2.{column}.{row}"] for row in rows) == text


def test_values_are_what_is_printed(registry):
    """`value` repeats the digits of `printed`, but for kinds where it says what they mean."""
    for _, claim in registry[~registry["kind"].isin(["bounds", "none"])].iterrows():
        digits = claim["printed"].replace(",", "")
        for text in claim["value"].split("|"):
            assert text in digits or f"{float(text):g}" in digits, claim["id"]


def from_print(registry, draws=4000):
    """Functions that look numbers up in the papers' tables; resamples vary them as rounding may."""
    rng, table = np.random.default_rng(1), {}

    def rms_keys(views, targets, network=None, snr=None):
        views = views if isinstance(views, list) else [views]
        targets = targets if isinstance(targets, list) else [targets]
        return [(view, network or view, target, snr) for view in views for target in targets]

    def stat_keys(view, estimate, subsets, statistic):
        subsets = subsets if isinstance(subsets, list) else [subsets]
        return [(view, estimate, subset, statistic) for subset in subsets]

    keys = {"rms": rms_keys, "stat": stat_keys}
    in_tables = registry["where"].str.startswith("Table") | (registry["kind"] == "rms")
    for _, claim in registry[in_tables].iterrows():
        call = tree(claim["formula"]).body
        arguments = [CONSTANTS.get(ast_text(node), ast_text(node)) for node in call.args]
        named = {word.arg: ast_text(word.value) for word in call.keywords}
        asked = keys[call.func.id](*arguments, **named)
        for key, text in zip(asked, claim["value"].split("|"), strict=True):
            half = 0.5 * 10.0 ** Decimal(text).as_tuple().exponent
            ends = float(text) + np.concatenate([[0], half * rng.uniform(-1, 1, draws)])
            # Table 1 has more digits than section 4 and comes first.
            known = table.setdefault(key, ends)
            assert ends.min() <= known.max() and known.min() <= ends.max(), claim["id"]

    def look_up(keys):
        return lambda *args, **named: Quantity(
            np.stack([table[key] for key in keys(*args, **named)]),
            ("1",) * len(keys(*args, **named)),
        )

    absent = dict.fromkeys(FUNCTIONS - keys.keys(), dict().__getitem__)
    return absent | {name: look_up(of) for name, of in keys.items()}


def ast_text(node):
    return getattr(node, "value", None) or node.id


def test_what_the_papers_derive_follows_from_their_tables(registry):
    """Formulas say what the papers did; where they do not give the print, the row is flagged."""
    functions = from_print(registry)
    derived = registry[registry["kind"].isin(["drop", "rise"]) | (
        (registry["kind"] == "sigma") & ~registry["where"].str.startswith("Table")
    )]  # fmt: skip
    checked, wrong = set(), set()
    for _, claim in derived.iterrows():
        try:
            ours = formulas.evaluate(tree(claim["formula"]), functions, CONSTANTS).values
        except FormulaError:
            continue  # of something that is not printed
        checked.add(claim["id"])
        texts = claim["value"].split("|")
        half = [0.5 * 10.0 ** Decimal(text).as_tuple().exponent for text in texts]
        off = [
            float(text) + margin < low or float(text) - margin > high
            for text, margin, low, high in zip(
                texts, half, ours.min(axis=1), ours.max(axis=1), strict=True
            )
        ]
        if any(off):
            wrong.add(claim["id"])
    assert len(checked) == 11 + 2 + 3 + 1 + 2 + 6 + 11
    assert wrong == {
        # two versions of one paper
        "P1.abstract2.LLremoval", "P1.abstract2.band.noLL", "P1.abstract2.band.LL",
        # and one that does not agree with itself
        "P2.text.a.lowres.sigma_range", "P2.drop.N.varied", "P2.drop.N.varied.sec4",
        "P2.sigma_up.N.varied",
    }  # fmt: skip
    flagged = set(registry["id"][registry["contradicts"] != ""])
    assert wrong <= flagged


def test_an_impossible_sigma_is_flagged(registry):
    values = registry.set_index("id")
    for id in values.index[values["kind"] == "rmse"]:
        sigma = id.replace(".rmse", ".sigma")
        if sigma in values.index and "varied" in id:
            impossible = float(values["value"][sigma]) > float(values["value"][id])
            assert impossible == ("standard deviation" in values["contradicts"][sigma]), id


def printed_rows(table, quantity="a"):
    """Of one of scutt's tables: sigma and RMSE at five alphas; gradient, sigma, RMSE varied."""
    numbers = np.array(SCUTT_TABLES[f"{table}.{quantity}"].split(), float)
    return numbers[:-3].reshape(5, 2).T, numbers[-3:]


def printed_biases(table):
    """Mean bias, over alpha, of the two ways to give the biases signs that fit the gradient best.

    RMSE and sigma at one alpha give the bias there but for its sign, which turns once with alpha.
    """
    (sigma, rmse), (gradient, _, _) = printed_rows(table)
    size = np.sqrt(np.clip(rmse**2 - sigma**2, 0, None))
    alpha = np.arange(-1.6, -2.5, -0.2)
    signed = [size * np.where(np.arange(5) < turn, -1, 1) for turn in range(6)]
    signed.sort(key=lambda bias: abs(np.polyfit(alpha, bias, 1)[0] - (gradient - 1)))
    return np.array([bias.mean() for bias in signed[:2]])


VARIANCE = 1 / 12  # of alpha, uniform between -2.5 and -1.5


@pytest.mark.parametrize("table", ["T1", "T2", "T3", "T4"])
def test_printed_sigmas_of_varied_alpha_fit_unpaired_differences_only(registry, table):
    """MSE = Var(predicted) + Var(true) - 2 gradient Var(true) + bias^2, for any estimates."""
    _, (gradient, sigma, rmse) = printed_rows(table)
    bias = printed_biases(table)
    paired = np.sqrt(rmse**2 - bias**2)
    unpaired = np.sqrt(rmse**2 - bias**2 + 2 * gradient * VARIANCE)
    assert np.abs(unpaired / sigma - 1).min() < 0.013 and np.abs(unpaired / sigma - 1).max() < 0.021
    assert (sigma / paired - 1).min() > 0.08
    if table == "T3":  # elsewhere the RMSE itself is below sigma
        contradiction = registry.set_index("id")["contradicts"]["P2.T3.a.varied.sigma"]
        assert (
            f"bias of {bias.mean():.2f}" in contradiction and f"{paired.max():.3f}" in contradiction
        )


@pytest.mark.parametrize("table", ["T1", "T2", "T3", "T4"])
def test_correlations_follow_from_printed_gradients_and_sigmas(registry, table):
    _, (gradient, sigma, _) = printed_rows(table)
    expected = gradient * np.sqrt(VARIANCE / (sigma**2 - VARIANCE))
    values = registry.set_index("id")["value"]
    assert values[f"P2.{table}.a.varied.correlation"] == f"{expected:.3f}"
    formula = registry.set_index("id")["formula"]
    paired, unpaired = (f"P2.{table}.a.varied.{name}" for name in ("sigma", "sigma_unpaired"))
    assert values[paired] == values[unpaired]
    assert formula[unpaired] == formula[paired].replace("'sigma'", "'sigma_unpaired'")


@pytest.mark.parametrize(
    ("law", "least_squares", "spread"), [("powerlaw", 0.92, 1.03), ("decades", 0.80, 1.09)]
)
def test_the_printed_gradient_of_n_is_no_minimum_of_a_squared_error(
    registry, population, law, least_squares, spread
):
    """At a minimum the gradient is 1 - MSE / Var(N), the spread over that of N the correlation."""
    lenses = scutt.catalogue(population(law), [{"name": "varied", "n": 4000, "alpha": None}])
    variance = np.var(lenses["N"].astype(float))
    _, (gradient, sigma, rmse) = printed_rows("T1", "N")
    assert 1 - rmse**2 / variance == pytest.approx(least_squares, abs=0.01)
    assert (
        f"{least_squares:.2f} with" in registry.set_index("id")["note"]["P2.T1.N.varied.gradient"]
    )
    ratio = np.sqrt(sigma**2 / variance + 2 * gradient - 1)
    assert ratio == pytest.approx(spread, abs=0.01)
    assert gradient / ratio < ratio - 0.05  # the correlation is well below


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formula": "sum(stat('fixed', 'n_cnn', 'varied', 'rmse'))"}, "X.2: 'sum'"),
        ({"formula": "stat('fixed')[0]"}, "X.2: Subscript"),
        ({"formula": "(lambda: 1)()"}, "X.2: Lambda"),
        ({"formula": "__import__('os').system('true')"}, "X.2: Attribute"),
        ({"formula": "2 ** 9"}, "X.2: Pow"),
        ({"formula": "mean(UNKNOWN)"}, "X.2: 'UNKNOWN'"),
        ({"formula": "mean("}, "X.2: cannot read"),
        ({"id": "X.1"}, "X.1: there are 2 claims"),
        ({"kind": "rsm"}, "X.2: kind 'rsm'"),
        ({"value": "0,5"}, "X.2: '0,5'"),
        ({"value": ""}, "X.2: ''"),
        ({"value": "1||2"}, "X.2: '1||2'"),
        ({"value": "nan"}, "X.2: 'nan' is not made of finite"),
        ({"value": "1|2|3", "kind": "bounds"}, "X.2: bounds are two"),
        ({"formula": ""}, "X.2: a claim has no formula if its kind is none"),
        ({"formula": "", "kind": "none"}, "X.2: no formula, and no note"),
    ],
)
def test_a_bad_row_is_named(tmp_path, changes, message):
    good = {"value": "1.5", "kind": "rmse", "formula": "stat('fixed', 'n_cnn', 'varied', 'rmse')"}
    rows = [claim_of(**good), claim_of(**(good | {"id": "X.2"} | changes))]
    pd.DataFrame(rows).to_csv(tmp_path / "claims.csv", index=False)
    with pytest.raises(ClaimError, match=message.replace("(", r"\(")):
        check_formulas(read_registry(tmp_path / "claims.csv"), RESULTS)


def test_a_registry_without_a_column_is_refused(tmp_path):
    pd.DataFrame([claim_of().drop("unit")]).to_csv(tmp_path / "claims.csv", index=False)
    with pytest.raises(ClaimError, match="the columns must be id, paper"):
        read_registry(tmp_path / "claims.csv")


# Formulas, on predictions made up here.


def write(path, arrays, target, epochs=EPOCHS):
    spec = json.dumps({"training": {"epochs": epochs}})
    storage.write_h5(path, arrays, {"target": target, "spec": spec})
    return path


def lens_file(folder, view, network, seed=0, error=0.05, lenses=0, **run):
    """Predictions of lenses that are the same for equal `lenses`, with errors that are not."""
    rng = np.random.default_rng(lenses)
    e1, e2 = rng.normal(0, 0.15, (2, IMAGES)).clip(-0.5, 0.5)
    true = np.stack([rng.uniform(0.3, 1.9, IMAGES), e1, e2], axis=1)
    snr = 20 * 10 ** rng.uniform(0, 1, IMAGES) * (20 if view.endswith("bright") else 1)
    noise = np.random.default_rng([len(view), len(network), seed]).normal(0, error, true.shape)
    arrays = {"true": true, "predicted": true + noise, "snr": snr}
    path = folder / "predictions" / view / f"{network}_seed{seed}.h5"
    return write(path, arrays, "theta_E e1 e2", **run)


def n_alpha_file(folder, view, estimate, seed=0, error=0.2, **run):
    """Predictions of N = -400 - 400 alpha, or of alpha."""
    rng = np.random.default_rng(7)
    fixed = [np.full(40, fixed_alpha(subset)) for subset in SUBSETS[1:]]
    alpha = np.concatenate([rng.uniform(-2.5, -1.5, 200), *fixed])
    target = "N" if estimate == "n_cnn" else "alpha"
    true = {"N": -400 - 400 * alpha, "alpha": alpha}
    scale = {"N": 400, "alpha": 1}[target]
    noise = np.random.default_rng([len(view), len(estimate), seed]).normal(0, error, alpha.size)
    arrays = true | {
        "true": true[target],
        "predicted": true[target] + scale * noise,
        "subset": np.repeat(SUBSETS, [200] + 5 * [40]),
    }
    return write(folder / "predictions" / view / f"{estimate}_seed{seed}.h5", arrays, target, **run)


def all_lens_files(folder, seeds=(0,)):
    pairs = {(view, view) for view in (*CORE, "vis_dark_removed", "vis_dark_kept")}
    pairs |= {(f"{camera}_bright", f"{camera}_removed") for camera in ("vis", "r", "gri")}
    stacks = ("vis_removed", "vis_removed_visits100")
    pairs |= set(itertools.product(stacks, stacks)) | {("caustic_removed", "caustic_removed")}
    pairs |= set(itertools.product(SCATTER["test"], SCATTER["train"]))
    return [lens_file(folder, *pair, seed) for pair in sorted(pairs) for seed in seeds]


def lens_products(paths, samples=()):
    views = {Path(path).parent.name for path in paths}
    spec = {"targets": ["theta_E", "e1", "e2"], "scalars": [], "network": {
        "filters": [32, 64, 64, 128, 128, 128], "kernels": [7, 11, 9, 7, 5, 5],
        "pool_after": [1, 2, 4, 6], "dense": 512, "dropout": 0.0,
    }}  # fmt: skip
    return Pearson2019Results(
        list_predictions(paths), RESAMPLES, EPOCHS, dict.fromkeys(views, IMAGES),
        samples=dict(samples), scatter=SCATTER, lenses=dict.fromkeys(dict(samples), 2 * 400),
        networks={
            "vis": {"spec": spec, "image_shape": [1, 57, 57]},
            "gri": {"spec": spec, "image_shape": [3, 57, 57]},
        },
    )  # fmt: skip


def scutt_products(folder, config, seeds=(0,)):
    estimates = ("n_cnn", "alpha_cnn", "alpha_cnn_true_n")
    views = ("fixed", "lowres", "varied")
    triples = itertools.product(views, estimates, seeds)
    paths = [n_alpha_file(folder, *triple) for triple in triples]
    shapes = {"fixed": 0.1, "lowres": 0.2}
    specs = {}
    for name in estimates[:2]:
        network = dict(config["scutt"]["networks"][name])
        targets, scalars = network.pop("targets"), network.pop("scalars")
        spec = {"targets": targets, "scalars": scalars, "network": network}
        specs[name] = {"spec": spec, "image_shape": [1, 60, 60]}
    return ScuttResults(
        list_predictions(paths), RESAMPLES, EPOCHS, dict.fromkeys(views, 400), networks=specs,
        geometry={view: {"theta_E": 1.5, "pixel_scale": size} for view, size in shapes.items()},
    )  # fmt: skip


def lens_samples(folder):
    found = {}
    for k, name in enumerate(("euclid", "lsst", "euclid_literal", "lsst_literal")):
        rng = np.random.default_rng(k)
        parts = []
        for shard in range(2):
            columns = {quantity: rng.normal(5 + k, 1, 400) for quantity in selection.QUANTITIES}
            parts.append(str(folder / "population" / name / f"shard_{shard}.h5"))
            storage.write_h5(parts[-1], columns, {})
        found[name] = parts
    return found


def test_rms_and_stat_are_those_of_the_metrics(tmp_path):
    path = lens_file(tmp_path, "r_kept", "r_kept")
    table = metrics.evaluate([path], "r_kept", RESAMPLES).set_index("target")
    of = lens_products([path])
    for name in metrics.PARAMETERS:
        claim = claim_of(value="1", kind="rms", formula=f"rms('r_kept', '{name}')",
                         unit={"theta_E": "arcsec", "phi": "rad"}.get(name, "1"))  # fmt: skip
        found = evaluate(claim, of)
        assert found.values[0] == pytest.approx(table["rms"][name], rel=1e-12)
        assert found.errors[0] == pytest.approx(table["rms_err"][name], rel=1e-12)
    path = n_alpha_file(tmp_path, "fixed", "n_cnn")
    table = scutt_metrics.evaluate([path], "fixed", RESAMPLES).set_index("subset")
    of = ScuttResults(list_predictions([path]), RESAMPLES, EPOCHS, {"fixed": 400})
    for subset, statistic, unit in (
        ("varied", "gradient", "1"), ("alpha-2.2", "sigma", "N"), ("varied", "bias", "N"),
        ("varied", "correlation", "1"), ("varied", "sigma_unpaired", "N"),
    ):  # fmt: skip
        claim = claim_of(value="1", unit=unit,
                         formula=f"stat('fixed', 'n_cnn', '{subset}', '{statistic}')")  # fmt: skip
        found = evaluate(claim, of)
        assert found.values[0] == pytest.approx(table[statistic][subset], rel=1e-12)
        assert found.errors[0] == pytest.approx(table[f"{statistic}_err"][subset], rel=1e-12)


def test_derived_numbers_by_hand(tmp_path):
    kept, removed = (lens_file(tmp_path, f"gri_{light}", f"gri_{light}", error=error)
                     for light, error in (("kept", 0.1), ("removed", 0.05)))  # fmt: skip
    of = lens_products([kept, removed])
    rms = {}
    for path in (kept, removed):
        true, predicted, labels = metrics.read_predictions(path)
        error = metrics.errors(true, predicted)
        rms[path] = [np.sqrt((error[name] ** 2).mean()) for name in CONSTANTS["LENS"]]
    drops = 100 * (1 - np.divide(rms[removed], rms[kept]))
    formula = "drop(rms('gri_kept', LENS), rms('gri_removed', LENS))"
    assert value_of(formula, of).values[:, 0] == pytest.approx(drops)
    assert value_of(formula, of).units == ("%",) * 3
    spread = value_of(f"mean_and_spread({formula})", of).values[:, 0]
    assert spread == pytest.approx([drops.mean(), drops.std()])
    ends = value_of(f"extremes({formula})", of).values[:, 0]
    assert ends == pytest.approx([drops.min(), drops.max()])
    ratio = value_of("2 * rms('gri_kept', 'phi') / rms('gri_removed', 'phi') - 1", of)
    assert ratio.values[0, 0] == pytest.approx(2 * rms[kept][1] / rms[removed][1] - 1)
    assert ratio.units == ("1",)
    opposite = value_of("-rms('gri_kept', 'phi')", of)
    assert opposite.values[0, 0] == pytest.approx(-rms[kept][1])
    assert opposite.units == value_of("rms('gri_kept', 'phi')", of).units
    few = (labels["snr"] >= 20) & (labels["snr"] < 30)
    expected = np.sqrt((error["phi"][few] ** 2).mean())
    found = value_of("rms('gri_removed', 'phi', snr=[20, 30])", of)
    assert found.values[0, 0] == pytest.approx(expected)
    ends = np.sort(labels["snr"])[[19, 20]]  # twenty lenses are enough, one fewer is not
    assert np.isfinite(value_of(f"rms('gri_removed', 'phi', snr=[0, {ends[1]}])", of).values[0, 0])
    assert np.isnan(value_of(f"rms('gri_removed', 'phi', snr=[0, {ends[0]}])", of).values[0, 0])


def test_functions_of_scutt_by_hand(tmp_path, config):
    of = scutt_products(tmp_path, config)
    arrays, _ = storage.read_h5(of.predictions["lowres"]["n_cnn"][0][0])
    varied = arrays["subset"] == "varied"
    true, predicted = arrays["true"][varied], arrays["predicted"][varied]
    assert value_of("lowest('lowres', 'n_cnn')", of).values[0, 0] == predicted.min()
    excess = (predicted - true)[true > 400].max()
    assert value_of("largest_excess('lowres', 'n_cnn', 400)", of).values[0, 0] == excess
    share = np.mean((predicted > 300) & (predicted < 400))
    found = value_of("share('lowres', 'n_cnn', 'predicted', 300, 400)", of)
    assert (found.values[0, 0], found.units) == (pytest.approx(share), ("1",))
    # N is straight in alpha, without scatter.
    found = value_of("mean_n('fixed', 'n_cnn', -1.7)", of)
    assert found.values[0] == pytest.approx(-400 + 400 * 1.7)
    assert value_of("pixels('fixed')", of).values[0, 0] == pytest.approx(np.pi * 30**2)
    mean = value_of("stat('fixed', 'n_cnn', 'alpha-1.6', 'mean_true')", of)
    assert (mean.values[0, 0], mean.units) == (pytest.approx(240), ("N",))


def test_the_ledger_says_where_moments_stand_for_a_fit(tmp_path):
    """Of a sample that falls from its lower end on, as lens redshifts of the literal reading do."""
    samples = lens_samples(tmp_path)
    falling = np.random.default_rng(5).exponential(0.2, 400)
    for path in samples["lsst"]:
        storage.write_h5(path, dict.fromkeys(selection.QUANTITIES, falling), {})
    of = lens_products([lens_file(tmp_path, "r_kept", "r_kept")], samples)
    claims = [
        claim_of(value="5", kind="fit", formula=f"fit('{sample}', 'z_lens', 'mean')")
        for sample in ("euclid", "lsst")
    ]
    table = make_ledger(pd.DataFrame(claims), {"scutt": [of]}, TOLERANCES, NO_REASONS, "paper")
    assert (
        table["reason"].tolist()[1].startswith("moments: ") and "moments" not in table["reason"][0]
    )
    assert float(table["ours"][1]) == pytest.approx(falling.mean(), rel=1e-6)


def test_fit_and_parameters(tmp_path):
    samples = lens_samples(tmp_path)
    of = lens_products([lens_file(tmp_path, "r_kept", "r_kept")], samples)
    values = np.concatenate([storage.read_h5(path)[0]["sigma_v"] for path in samples["lsst"]])
    claim = claim_of(value="6", unit="km/s", kind="fit", formula="fit('lsst', 'sigma_v', 'mean')")
    found = evaluate(claim, of)
    assert found.values[0] == selection.fit_gaussian(values)[1]
    assert 0.3 < found.errors[0] / (1 / np.sqrt(800)) < 3
    assert found.n_seeds == 0
    for camera, count in (("vis", 2_395_267), ("gri", 2_398_403)):
        claim = claim_of(value=str(count), unit="parameters", kind="count",
                         formula=f"parameters('{camera}')")  # fmt: skip
        found = evaluate(claim, of)
        assert found.errors[0] == 0
        assert verdict(claim, found, TOLERANCES) == (
            "match",
            pytest.approx(np.nan, nan_ok=True),
        )
        other = Estimate(found.values + 1, found.errors, 0)
        assert verdict(claim, other, TOLERANCES)[0] == "differs"


def test_the_steadiest_network_is_the_best_over_all_test_sets(tmp_path):
    errors = {"caustic_e0_phi0": (0.01, 0.2, 0.3), "caustic_e12_phi10": (0.02, 0.03, 0.04)}
    paths = [
        lens_file(tmp_path, view, network, error=error)
        for network, row in errors.items()
        for view, error in zip(SCATTER["test"], row, strict=True)
    ]
    assert (value_of("steadiest()", lens_products(paths)).values == 1).all()
    # It names no view, and is not compared if one of those that it looks at is changed.
    of = replace(lens_products(paths), changed={"caustic_e0_phi0": ["sky 1 (2)"]})
    rows = pd.DataFrame([claim_of(id="A.1", paper="pearson2019", value="0.5|3", unit="1",
                                  kind="bounds", formula="steadiest()")])  # fmt: skip
    table = make_ledger(rows, {"pearson2019": [of]}, TOLERANCES, NO_REASONS, "mine")
    assert list(table["verdict"]) == [NOT_COMPARED]


def test_differences_are_paired(tmp_path):
    """What two views have in common cancels, in the number and in its error."""
    one = lens_file(tmp_path, "r_removed", "r_removed")
    arrays, attrs = storage.read_h5(one)
    close = dict(arrays)
    wobble = np.random.default_rng(5).normal(0, 1e-3, arrays["true"].shape)
    close["predicted"] = arrays["predicted"] + wobble
    paths = [one]
    for view, content in (("vis_removed", arrays), ("gri_removed", close)):
        paths.append(tmp_path / "predictions" / view / f"{view}_seed0.h5")
        storage.write_h5(paths[-1], content, attrs)
    of = lens_products(paths)

    def drop(after):
        formula = f"drop(rms('r_removed', 'theta_E'), rms('{after}', 'theta_E'))"
        return evaluate(claim_of(value="1", unit="%", formula=formula), of)

    same, nearly = drop("vis_removed"), drop("gri_removed")
    assert (same.values[0], same.errors[0]) == (0, 0)
    single = evaluate(claim_of(value="1", unit="arcsec", formula="rms('r_removed', 'theta_E')"), of)
    relative = 100 * single.errors[0] / single.values[0]
    assert 0 < nearly.errors[0] < relative / 10  # unpaired it would be above `relative`


def test_seeds_are_averaged_and_their_scatter_joins_the_error(tmp_path):
    errors = (0.05, 0.10)
    paths = [lens_file(tmp_path, "r_kept", "r_kept", seed, error)
             for seed, error in enumerate(errors)]  # fmt: skip
    claim = claim_of(value="1", unit="arcsec", formula="rms('r_kept', 'theta_E')")
    one, other, both = (evaluate(claim, lens_products(part))
                        for part in (paths[:1], paths[1:], paths))  # fmt: skip
    assert (one.n_seeds, both.n_seeds) == (1, 2)
    assert both.values[0] == pytest.approx((one.values[0] + other.values[0]) / 2)
    bootstrap = (one.errors[0] + other.errors[0]) / 2
    sem = abs(one.values[0] - other.values[0]) / 2
    assert both.errors[0] == pytest.approx(np.hypot(bootstrap, sem))


def test_a_number_of_several_networks_is_of_the_seeds_that_all_have(tmp_path):
    pairs = [("r_kept", 0, 0.05), ("vis_kept", 0, 0.1), ("vis_kept", 1, 0.2)]
    paths = [lens_file(tmp_path, view, view, seed, error) for view, seed, error in pairs]
    awaited = paths[0].with_name("r_kept_seed1.h5")  # the run is still to make it
    of = lens_products([*paths, awaited])

    def found(views):
        claim = claim_of(value="1", unit="arcsec", formula=f"mean(rms({views}, 'theta_E'))")
        return evaluate(claim, of)

    single, both = found("'vis_kept'"), found("['r_kept', 'vis_kept']")
    assert (single.n_seeds, both.n_seeds) == (2, 1)
    assert single.values[0] == pytest.approx(0.15, rel=0.2)
    assert both.values[0] == pytest.approx(0.075, rel=0.2)


# Verdicts.


def said(value, ours, error=0.0, kind="rms", tolerance=0.1):
    ours = np.atleast_1d(ours).astype(float)
    found = Estimate(ours, np.broadcast_to(float(error), ours.shape), 1)
    return verdict(claim_of(value=value, kind=kind), found, {kind: tolerance})


@pytest.mark.parametrize(
    ("value", "ours", "error", "kind", "expected"),
    [
        # Half a digit of 0.050 is 0.0005: two of it are a match.
        ("0.050", 0.0509, 0, "rms", "match"),
        ("0.050", 0.0511, 0, "rms", "within tolerance"),
        ("0.050", 0.0549, 0, "rms", "within tolerance"),
        ("0.050", 0.0551, 0, "rms", "worse"),
        ("0.050", 0.0449, 0, "rms", "better"),
        ("0.050", 0.0589, 0.0045, "rms", "match"),  # 2 hypot(0.0045, 0.0005) = 0.0091
        ("0.050", 0.0592, 0.0045, "rms", "worse"),
        ("0.050", 0.09, 0.03, "rms", "undecided"),  # a match, but anything would be
        ("0.90", 0.99, 0, "gradient", "within tolerance"),
        ("0.80", 0.99, 0, "gradient", "better"),
        ("0.80", 0.65, 0, "gradient", "worse"),
        ("0.80", 1.30, 0, "gradient", "worse"),
        ("115", -20, 0, "bias", "better"),
        ("50.4", 30, 0, "sigma", "differs"),
        ("7e2", 790, 0, "population", "match"),  # 700 to one digit
        ("700", 765, 0, "population", "within tolerance"),
        # Changes in per cent: ten points, and more of a rise above 100 %.
        ("26", 35, 0, "drop", "within tolerance"),
        ("26", 37, 0, "drop", "differs"),
        ("444", 495, 0, "rise", "within tolerance"),
        ("444", 505, 0, "rise", "differs"),
        # The worst of several.
        ("0.05|0.30", [0.05, 0.30], 0, "rms", "match"),
        ("0.05|0.30", [0.05, 0.32], 0, "rms", "within tolerance"),
        ("0.05|0.30", [0.05, 0.40], 0, "rms", "worse"),
        ("0.05|0.30", [0.02, 0.40], 0, "rms", "differs"),
        ("1.8|0.3", [1.8, 0.45], 0, "factor", "within tolerance"),
        ("0.051", np.nan, 0, "rms", "not computed"),
        ("1|2", 2, 0, "bounds", "satisfied"),
        ("1|2", 2.1, 0, "bounds", "not satisfied"),
        ("|0.01", -3, 0, "bounds", "satisfied"),
        ("400|", 399, 0, "bounds", "not satisfied"),
        ("400|", 401, 1, "bounds", "undecided"),
        ("400|", 399, 1, "bounds", "undecided"),
        ("1|2", 1.5, 0.2, "bounds", "satisfied"),
        ("20", 75, 30, "drop", "undecided"),
        ("1", 1, 0.01, "bias", "match"),  # half a digit is as large as that, and not our doing
        ("50.4", 30, 0, "rmse_at_alpha", "differs"),
    ],
)
def test_verdicts_at_their_edges(value, ours, error, kind, expected):
    assert said(value, ours, error, kind)[0] == expected


def test_a_spread_has_a_tolerance_of_its_own():
    claim = claim_of(value="20|2.0", kind="drop", formula="mean_and_spread(...)")
    for spread, expected in ((2.6, "within tolerance"), (2.8, "differs"), (12, "differs")):
        found = Estimate(np.array([20.0, spread]), np.zeros(2), 1)
        assert verdict(claim, found, {"drop": 0.1, "spread": 0.35})[0] == expected, spread


def test_departures():
    assert said("0.050", 0.060)[1] == pytest.approx(0.010 / 0.005)  # of the tolerance
    assert said("0.050", 0.060, 0.02)[1] == pytest.approx(0.5, rel=1e-3)  # of the error
    assert said("0.05|0.30", [0.05, 0.36])[1] == pytest.approx(2)
    assert np.isnan(said("1|2", 3, kind="bounds")[1])


# What must not pass.


@pytest.mark.parametrize(
    ("formula", "unit", "message"),
    [
        ("rms('r_kept', 'psi')", "rad", "X.1: .*psi"),
        ("rms('r_kept')", "rad", "X.1: .*targets"),
        ("rms('r_kept', 'theta_E')", "rad", r"gives 1 in \('arcsec',\), the claim has 1 in"),
        ("rms('r_kept', LENS)", "arcsec|rad|1", "gives 3 in .* the claim has 1"),
        ("mean(rms('r_kept', LENS))", "1", "arcsec, rad, 1 have no mean"),
        ("rms('r_kept', 'phi') - rms('r_kept', 'e1')", "1", "units rad and 1 .*Sub"),
        ("drop(rms('r_kept', 'phi'), rms('r_kept', 'e1'))", "%", "units 1 and rad|rad"),
        ("fit('desi', 'z_lens', 'mean')", "1", "X.1: no sample 'desi'"),
        ("'text'", "1", "X.1: 'text' is not a number"),
    ],
)
def test_a_formula_that_asks_for_what_is_not_there_is_named(tmp_path, formula, unit, message):
    of = lens_products([lens_file(tmp_path, "r_kept", "r_kept")])
    with pytest.raises(ClaimError, match=message) as caught:
        evaluate(claim_of(value="1", unit=unit, kind="rms", formula=formula), of)
    assert str(caught.value).startswith("X.1: ")


def test_what_a_configuration_has_not_is_not_computed_and_named(tmp_path):
    paths = [n_alpha_file(tmp_path, "fixed", "n_cnn", seed) for seed in (0, 1)]
    paths += [n_alpha_file(tmp_path, "fixed", "alpha_cnn", 0)]
    of = ScuttResults(list_predictions(paths), RESAMPLES, EPOCHS, {"fixed": 400})
    paths = [lens_file(tmp_path, "r_kept", "r_kept", seed) for seed in (0, 1)]
    papers = {"scutt": [of], "pearson2019": [lens_products(paths)]}
    cases = {
        "stat('fixed', 'n_cnn', 'alpha-3.0', 'rmse')": "no subset 'alpha-3.0'.*there are .*varied",
        "stat('lowres', 'alpha_cnn', 'varied', 'rmse')": "view 'lowres' by network 'alpha_cnn'",
        "rms('r_keep', 'phi')": "no predictions of view 'r_keep'.*there are r_kept",
        "rms('r_kept', 'phi', network='gri_kept')": "network 'gri_kept'.*there are r_kept",
    }
    rows = [
        claim_of(paper="scutt" if formula.startswith("stat") else "pearson2019", value="1",
                 formula=formula, note="n")
        for formula in cases
    ]  # fmt: skip
    table = make_ledger(pd.DataFrame(rows), papers, TOLERANCES, NO_REASONS, "mine")
    assert list(table["verdict"]) == ["not computed"] * 4
    for reason, message in zip(table["reason"], cases.values(), strict=True):
        assert re.search(message, reason)


def test_two_files_of_the_same_thing_are_refused(tmp_path):
    path = lens_file(tmp_path, "r_kept", "r_kept")
    of = lens_products([path, tmp_path / "other" / "r_kept" / "r_kept_seed0.h5"])
    with pytest.raises(ClaimError, match="^X.1: .*r_kept_seed0.h5 and .* same thing"):
        evaluate(claim_of(value="1", unit="rad", formula="rms('r_kept', 'phi')"), of)


@pytest.mark.parametrize(
    ("epochs", "images", "message"),
    [(150, IMAGES, "with 3 epochs, this configuration has 150"),
     (EPOCHS, 10_000, "with 240 test images, this configuration has 10000")],
)  # fmt: skip
def test_products_of_another_scale_are_refused(tmp_path, epochs, images, message):
    path = lens_file(tmp_path, "r_kept", "r_kept")
    of = Pearson2019Results(list_predictions([path]), RESAMPLES, epochs, {"r_kept": images})
    text = f"^X.1: .*r_kept_seed0.h5 .*{message}.*another scale"
    with pytest.raises(ClaimError, match=text):
        evaluate(claim_of(value="1", unit="rad", formula="rms('r_kept', 'phi')"), of)


# All of it.


@pytest.fixture(scope="module")
def whole(tmp_path_factory, config):
    folder = tmp_path_factory.mktemp("ledger")
    first = lens_products(all_lens_files(folder / "pearson2019", (0, 1)), lens_samples(folder))
    return {
        "pearson2019": [first, first.renamed(LITERAL)],
        "scutt": [scutt_products(folder / name, config) for name in ("scutt", "scutt_as_run")],
    }


@pytest.fixture(scope="module")
def ledger(registry, whole):
    return make_ledger(registry, whole, TOLERANCES, NO_REASONS, "quick")


def test_every_claim_of_the_registry_gets_a_verdict(registry, ledger):
    assert list(ledger["id"]) == list(registry["id"])
    assert set(ledger["verdict"]) <= set(VERDICTS)
    uncomputed = set(ledger["id"][ledger["verdict"] == "not computed"])
    assert uncomputed == set(registry["id"][registry["kind"] == "none"])
    seeds = ledger.set_index("id")["n_seeds"]
    assert (seeds["P1.band.LL"], seeds["P2.drop.a.lowres"], seeds["P1.params.1band"]) == (2, 1, 0)


def test_the_second_reading_stands_where_it_has_something_to_say(ledger):
    second = set(ledger["id"][ledger["verdict_2"] != ""])
    assert {"P1.T1.LL.VIS.phi", "P1.LLremoval.mean", "P1.Fig3.LSST.z_lens.mean"} <= second
    assert {"P1.stack.tr1.te1", "P2.T4.a.varied.rmse", "P2.pop.Nmax"} <= second
    # No twin of the stacks, of r and gri, of the misaligned samples; nothing to do with files.
    for id in ("P1.stack.tr1.te100", "P1.stack.gain.test_only", "P1.T1.LL.r.phi", "P1.band.LL",
               "P1.zeroscatter.LL", "P1.SNR.gain", "P1.params.1band", "P2.pix.0.1"):  # fmt: skip
        assert id not in second
    rows = ledger.set_index("id")
    fits = rows.loc["P1.Fig1.VIS.thetaE.mean"]
    assert (float(fits["ours"]), float(fits["ours_2"])) == pytest.approx((5, 7), abs=0.2)


def test_an_empty_bin_is_not_computed(registry, whole, tmp_path):
    first = whole["pearson2019"][0]
    path = lens_file(tmp_path, "r_removed", "r_removed")
    of = Pearson2019Results(list_predictions([path]), RESAMPLES, EPOCHS, first.images)
    claim = claim_of(paper="pearson2019", value="0.3", unit="rad", kind="rms",
                     formula="rms('r_removed', 'phi', snr=[300, 400])", note="why")  # fmt: skip
    papers = {"pearson2019": [of]}
    row = make_ledger(pd.DataFrame([claim]), papers, TOLERANCES, NO_REASONS, "paper").iloc[0]
    assert row["verdict"] == "not computed"
    assert (row["note"], row["reason"]) == ("why", TOO_FEW_IMAGES)
    assert (row["scale"], row["verdict_2"]) == ("paper", "")


def test_what_the_paper_contradicts_is_called_so_and_compared(whole, tmp_path):
    path = lens_file(tmp_path, "r_removed", "r_removed")
    of = lens_products([path])
    rows = [
        claim_of(id=id, paper="pearson2019", value="9", unit="rad", kind="rms", note="n",
                 formula="rms('r_removed', 'phi')", contradicts=other)
        for id, other in (("A.1", ""), ("A.2", "elsewhere 8"), ("B.1", ""))
    ]  # fmt: skip
    reasons = pd.DataFrame([("A.*", "2", "no"), ("A.*", "1", "why"), ("A.2", "1", "late")])
    reasons.columns = REASONS_COLUMNS
    papers = {"pearson2019": [of]}
    table = make_ledger(pd.DataFrame(rows), papers, TOLERANCES, reasons, "paper")
    assert table["verdict"].tolist() == ["better", CONTRADICTED, "better"]
    assert table["comparison"].tolist() == ["better"] * 3
    assert table["reason"].tolist() == ["why", "why", UNEXPLAINED]
    assert table["note"].tolist() == ["n"] * 3
    text = page(table.assign(where="Table 1"), {"pearson2019": ["one"]}, "paper", "", [])
    assert "| contradicts itself (better) | † elsewhere 8; n; why |" in text
    largest = text.partition("Largest departures")[2].partition("## ")[0]
    assert "A.1" in largest and "A.2" not in largest


def test_another_survey_is_not_compared(tmp_path):
    paths = [lens_file(tmp_path, view, view) for view in ("r_removed", "gri_removed")]
    of = replace(lens_products(paths), changed={"r_removed": ["seeing 0.9 (0.7)"]})
    rows = [
        claim_of(id=id, paper="pearson2019", value="9", unit="rad", kind="rms", formula=formula,
                 contradicts=contradicts)
        for id, formula, contradicts in (
            ("A.1", "rms('r_removed', 'phi')", ""), ("A.2", "rms('gri_removed', 'phi')", ""),
            ("A.3", "mean(rms(['r_removed', 'gri_removed'], 'phi'))", "elsewhere 8"),
        )
    ]  # fmt: skip
    papers = {"pearson2019": [of, of.renamed({"vis_removed": "r_removed"})]}
    table = make_ledger(pd.DataFrame(rows), papers, TOLERANCES, NO_REASONS, "mine")
    assert list(table["verdict"]) == [NOT_COMPARED, "better", NOT_COMPARED]
    assert table["ours"].ne("").all() and list(table["departure"] == "") == [True, False, True]
    assert table["reason"][0] == table["reason"][2] == "not as the paper: seeing 0.9 (0.7)"
    # The second reading keeps what is changed under the name it stands for.
    assert papers["pearson2019"][1].changed == {"vis_removed": ["seeing 0.9 (0.7)"]}
    of = replace(lens_products([], {"lsst_literal": []}), changed={"lsst_literal": ["sky 1 (2)"]})
    assert of.renamed({"lsst": "lsst_literal"}).changed == {"lsst": ["sky 1 (2)"]}
    text = page(table.assign(where="Table 1"), {"pearson2019": ["one"]}, "mine", "", [])
    assert "| not compared | 2 |" in text and "not as the paper: seeing 0.9 (0.7)" in text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("P9.*,1,why", r"no claim is called P9.\*"),
        ("P1.*,3,why", "reading '3' is not 1 or 2"),
        ("P1.*,1", "reading"),
    ],
)
def test_a_bad_reason_is_named(tmp_path, registry, row, message):
    path = tmp_path / "reasons.csv"
    path.write_text(f"claims,{'reading,reason' if row.count(',') == 2 else 'why'}\n{row}\n")
    with pytest.raises(ClaimError, match=message):
        read_reasons(path, registry)


def test_reasons_point_to_documents_and_headings_that_are_there():
    pointers = [
        match.groups()
        for reason in pd.read_csv(REASONS)["reason"]
        for match in re.finditer(r"([\w/]+\.md)(?:, ([^)]+))?\)", reason)
    ]
    assert len(pointers) > 10
    for document, heading in pointers:
        text = (ROOT / document).read_text()
        assert heading is None or f"\n## {heading}\n" in text, (document, heading)


def test_lenses_of_another_scale_are_refused(tmp_path):
    samples = lens_samples(tmp_path)
    of = lens_products([lens_file(tmp_path, "r_kept", "r_kept")], samples)
    of.lenses["lsst"] = 60
    claim = claim_of(value="6", unit="km/s", kind="fit", formula="fit('lsst', 'sigma_v', 'mean')")
    with pytest.raises(ClaimError, match="hold 800 lenses, this configuration has 60"):
        evaluate(claim, of)


def test_an_unknown_paper_is_named(whole):
    with pytest.raises(ClaimError, match="X.1: paper 'hezaveh' is none of"):
        claim = pd.DataFrame([claim_of(paper="hezaveh")])
        make_ledger(claim, whole, TOLERANCES, NO_REASONS, "quick")


def test_the_page(ledger):
    readings = {"pearson2019": ["as configured", "literal"], "scutt": ["scutt", "scutt_as_run"]}
    text = page(ledger, readings, "quick", "96 training images", [])
    top = text.partition("## Summary")[0]
    assert "Indicative only: 96 training images" in top
    summary = text.partition("## Summary")[2].partition("## pearson2019")[0]
    assert len(summary.splitlines()) < 40
    assert summary.count("Which reading of") == 3  # of pearson2019 once for fits, once for the rest
    assert "- 14 of the 131 claims of scutt have another number" in summary
    for id in ledger["id"]:
        assert f"| {id} |" in text
    assert text.index("### Table 1") < text.index("### Section 3.2") < text.index("## scutt")
    tables = [block for block in text.split("\n\n") if block.startswith("| ")]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "Indicative" not in page(ledger, readings, "paper", "", [])
    one = page(ledger, readings | {"scutt": ["scutt"]}, "quick", "", [])
    assert "### Table 4" in one
    uneven = page(ledger, readings, "quick", "", ["pearson2019"])
    assert "explains the print: of 16 fits" in uneven
    assert "two readings of pearson2019 were trained on different numbers" in uneven
    assert uneven.count("Which reading of") == 2


@pytest.mark.parametrize("partial", [False, True])
def test_the_script(tmp_path, whole, config, registry, partial):
    def paths(of):
        return [path for view in of.predictions.values() for seeds in view.values()
                for paths in seeds.values() for path in paths]  # fmt: skip

    first = whole["pearson2019"][0]
    runs = {
        "pearson2019": {"resamples": RESAMPLES, "epochs": EPOCHS, "images": first.images,
                        "networks": first.networks, "scatter": SCATTER, "lenses": first.lenses},
        "scutt": {"resamples": RESAMPLES, "epochs": EPOCHS, "images": whole["scutt"][0].images,
                  "networks": whole["scutt"][0].networks, "geometry": whole["scutt"][0].geometry},
    }  # fmt: skip
    runs["scutt_as_run"] = runs["scutt"]
    files = dict(first.samples, registry=str(REGISTRY), reasons=str(REASONS))
    files |= {"pearson2019": paths(first)}
    files |= {name: paths(of) for name, of in zip(("scutt", "scutt_as_run"), whole["scutt"],
                                                  strict=True)}  # fmt: skip

    awaited = {name: [] for name in files if name not in ("registry", "reasons")}
    if partial:  # what names gri, and lenses of LSST, is still to be made
        gri = [path for path in files["pearson2019"] if "gri" in Path(path).name]
        files["pearson2019"] = [path for path in files["pearson2019"] if path not in gri]
        awaited["pearson2019"] = [str(tmp_path.joinpath(*Path(path).parts[-2:])) for path in gri]
        awaited["lsst"] = [str(tmp_path / "lsst/shard_0.h5")]

    class Input(dict):
        __getattr__ = dict.__getitem__

    job = SimpleNamespace(
        input=Input(files),
        output=SimpleNamespace(csv=tmp_path / "claims.csv", page=tmp_path / "claims.md"),
        params=SimpleNamespace(
            runs=runs, samples=list(first.samples), awaited=awaited,
            run={"scale": "quick", "note": "a note", "uneven": []},
            tolerances=config["claims"]["tolerance"],
            readings={"pearson2019": ["a", "b"], "scutt": ["scutt", "scutt_as_run"]},
        ),
    )  # fmt: skip
    runpy.run_path(str(ROOT / "scripts/claims.py"), {"snakemake": job})
    table = pd.read_csv(job.output.csv, dtype=str, keep_default_na=False)
    assert list(table["id"]) == list(registry["id"])
    assert set(table["scale"]) == {"quick (indicative only)"}
    assert job.output.page.read_text().startswith("# Claims of the papers")
    rows = table.set_index("id")
    waiting = rows.index[rows["reason"].str.contains("not run yet: ")]
    assert (rows.loc[waiting, "verdict"] == "not computed").all()
    assert bool(len(waiting)) == partial
    if partial:
        assert {"P1.T1.LL.gri.phi", "P1.LLremoval.mean", "P1.Fig3.LSST.z_lens.mean"} <= {*waiting}
        assert not {"P1.T1.LL.VIS.phi", "P1.Fig3.VIS.z_lens.mean", "P1.params.3band"} & {*waiting}
        assert re.search("not run yet: .*gri_kept_seed0.h5", rows.loc["P1.T1.LL.gri.phi", "reason"])
        assert not rows["paper"][waiting].eq("scutt").any()


def test_a_printed_number_is_found_by_what_it_is_of(registry):
    assert printed(registry, "rms", "vis_removed", "theta_E") == 0.051  # Table 1
    assert printed(registry, "fit", "lsst", "sigma_v", "sd") == 40  # figure 2
    assert np.isnan(printed(registry, "rms", "vis_fitted", "theta_E"))
    twice = pd.concat([registry, registry.iloc[:1].assign(id="again", value="0.052")])
    with pytest.raises(ClaimError, match=r"P1.T1.noLL.VIS.thetaE, again: different numbers"):
        printed(twice, "rms", "vis_removed", "theta_E")
    # However the formula is written.
    spaced = registry.assign(formula=registry["formula"].str.replace(",", " ,  "))
    assert printed(spaced, "rms", "vis_removed", "theta_E") == 0.051


def test_the_registry_has_the_fits_of_figures_1_to_3(registry):
    fits = [
        printed(registry, "fit", survey, quantity, moment)
        for survey in ("euclid", "lsst")
        for quantity in selection.QUANTITIES
        for moment in ("mean", "sd")
    ]
    assert np.isfinite(fits).all()


def test_tolerances_of_the_config_are_those_of_the_kinds(config):
    assert config["claims"]["tolerance"].keys() == {*KINDS, SPREAD}


def test_released_predictions_give_the_numbers_of_the_metrics(registry):
    """The ledger and the metrics agree."""
    folder = ROOT / "results/paper/scutt"
    paths = sorted((folder / "predictions").glob("*/*.h5"))
    of = ScuttResults(
        list_predictions(paths), 200, 100, dict.fromkeys(("fixed", "lowres", "varied"), 45000)
    )
    for view in ("fixed", "varied"):
        table = pd.read_csv(folder / f"metrics/{view}.csv").set_index(["estimate", "subset"])
        for statistic in ("rmse", "sigma", "bias"):
            found = evaluate(
                claim_of(value="1", unit="N", kind="rmse",
                         formula=f"stat('{view}', 'n_cnn', 'varied', '{statistic}')"), of
            )  # fmt: skip
            row = table.loc[("n_cnn", "varied")]
            assert found.values[0] == pytest.approx(row[statistic], rel=1e-5)
            assert found.errors[0] == pytest.approx(row[f"{statistic}_err"], rel=1e-5)
