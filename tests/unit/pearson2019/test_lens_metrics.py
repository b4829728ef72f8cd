"""Errors of Einstein radius, ellipticity and orientation: closed forms and published numbers."""

import json
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from lenstronomy.Util.param_util import ellipticity2phi_q, phi_q2_ellipticity
from scipy import stats

from lenscnn.claims.ledger import SPREAD, make_ledger
from lenscnn.claims.quantities import list_predictions
from lenscnn.claims.registry import KINDS, read_registry
from lenscnn.core import storage
from lenscnn.papers.pearson2019 import metrics
from lenscnn.papers.pearson2019.claims import Pearson2019Results
from lenscnn.papers.pearson2019.ellipticity import e1_e2_to_q_phi_pearson, q_phi_to_e1_e2_pearson
from lenscnn.records import provenance

MADE_WITH = {"training": {"epochs": 1}, "images": {}}
EXPECTED = MADE_WITH | {"n_from": "none", "target": "e2 theta_E e1"}
SCRIPT = ROOT / "scripts" / "lens_metrics.py"


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def rms(values):
    return np.sqrt(np.mean(values**2))


def test_ellipticity_is_the_distortion_of_lenstronomys_shear():
    q, phi = np.meshgrid([0.2, 0.5, 0.78, 1.0], [0.0, 0.3, 1.2, 2.0, 3.1])
    ours = q_phi_to_e1_e2_pearson(q, phi)
    shear = np.array(phi_q2_ellipticity(phi, q))  # (1 - q) / (1 + q)
    # Bartelmann & Schneider 2001: chi = 2 epsilon / (1 + |epsilon|^2).
    np.testing.assert_allclose(ours, 2 * shear / (1 + (shear**2).sum(0)), atol=1e-15)


def test_axis_ratio_and_angle_come_back(rng):
    q, phi = rng.uniform(0.1, 0.99, 1000), rng.uniform(0, np.pi, 1000)
    e1, e2 = q_phi_to_e1_e2_pearson(q, phi)
    np.testing.assert_allclose(e1_e2_to_q_phi_pearson(e1, e2), (q, phi), rtol=1e-10)
    # And by lenstronomy, whose modulus is tanh(atanh(e) / 2).
    e = np.hypot(e1, e2)
    turned, ratio = np.vectorize(ellipticity2phi_q)(
        *(np.tanh(np.arctanh(e) / 2) * component / e for component in (e1, e2))
    )
    found = e1_e2_to_q_phi_pearson(e1, e2)
    np.testing.assert_allclose(found[0], ratio, rtol=1e-8)
    np.testing.assert_allclose(found[1], turned % np.pi, atol=1e-8)


def test_impossible_ellipticities_count_as_the_largest():
    q, phi = e1_e2_to_q_phi_pearson(np.array([1.0, 0.0, -3.0]), np.array([0.0, 1.7, 0]))
    np.testing.assert_array_equal(q, 0)
    np.testing.assert_allclose(phi, [0, np.pi / 4, np.pi / 2])
    assert e1_e2_to_q_phi_pearson(0.0, 0.0)[0] == 1


def test_orientations_differ_modulo_pi(rng):
    first, second = rng.uniform(-7, 7, (2, 1000))
    ours = metrics.orientation_difference(first, second)
    np.testing.assert_allclose(ours, np.angle(np.exp(2j * (first - second))) / 2, atol=1e-12)
    # scipy's mean of a single axis is that axis.
    axial = stats.circmean((first - second)[None], high=np.pi / 2, low=-np.pi / 2, axis=0)
    np.testing.assert_allclose(ours, axial, atol=1e-10)
    assert metrics.orientation_difference(np.pi / 2, 0.0) == np.pi / 2
    assert metrics.orientation_difference(0.0, np.pi / 2) == np.pi / 2
    assert metrics.orientation_difference(3.1, 0.1) == pytest.approx(3.0 - np.pi)


def test_random_orientations_give_the_rms_of_a_guess(rng):
    guess = metrics.orientation_difference(*rng.uniform(0, np.pi, (2, 200_000)))
    assert rms(guess) == pytest.approx(np.pi / np.sqrt(12), rel=5e-3)


def test_axial_noise_has_the_rms_of_its_von_mises_law(rng):
    law = stats.vonmises(3.0)  # of 2 phi, on (-pi, pi)
    true = rng.uniform(0, np.pi, 200_000)
    predicted = (true + law.rvs(true.size, random_state=rng) / 2) % np.pi
    wrapped = metrics.orientation_difference(predicted, true)
    assert rms(wrapped) == pytest.approx(law.std() / 2, rel=5e-3)
    assert rms(predicted - true) > 2 * rms(wrapped)


# Noise of Table 1's size on e1 and e2 gives Table 1's ellipticity and orientation: its columns
# Euclid, LSST r and LSST gri without lens light, and all with it. The numbers are of another
# program; the paper's are 0.068, 0.300; 0.061, 0.294; 0.050, 0.239; 0.082-0.085, 0.335-0.347.
@pytest.mark.parametrize(
    ("noise", "ellipticity", "phi", "unwrapped"),
    [
        (0.081, 0.066, 0.309, 0.71),
        (0.075, 0.062, 0.291, 0.69),
        (0.058, 0.048, 0.246, 0.62),
        (0.100, 0.082, 0.352, 0.77),
    ],
)
def test_noise_on_the_components_gives_the_derived_errors(rng, noise, ellipticity, phi, unwrapped):
    n = 300_000
    q = stats.truncnorm.rvs(-0.58 / 0.12, 0.22 / 0.12, 0.78, 0.12, size=n, random_state=rng)
    modulus, angle = (1 - q**2) / (1 + q**2), rng.uniform(0, np.pi, n)
    e1, e2 = modulus * np.cos(2 * angle), modulus * np.sin(2 * angle)
    theta_E = np.full(n, 1.2)
    true = metrics.parameters(theta_E, e1, e2)
    noisy = (e + rng.normal(0, noise, n) for e in (e1, e2))
    predicted = metrics.parameters(theta_E + rng.normal(0, 0.06, n), *noisy)
    error = metrics.errors(true, predicted)
    np.testing.assert_allclose(true["ellipticity"], 1 - q, atol=1e-12)
    assert rms(error["ellipticity"]) == pytest.approx(ellipticity, abs=8e-4)
    assert rms(error["phi"]) == pytest.approx(phi, abs=3e-3)
    assert rms(predicted["phi"] - true["phi"]) == pytest.approx(unwrapped, abs=6e-3)
    assert rms(error["e1"]) == pytest.approx(noise, rel=0.01)
    assert rms(error["fractional_theta_E"]) == pytest.approx(0.06 / 1.2, rel=0.01)


def test_summary_against_closed_forms(rng):
    n, sd, shift = 5000, 0.2, 0.1
    error = {"a": rng.normal(shift, sd, n), "b": rng.normal(0, 2 * sd, n)}
    table = metrics.summarise(error, 400).set_index("target")
    assert list(table.index) == ["a", "b"]
    assert list(table.columns) == ["n", "rms", "rms_err", "bias", "bias_err"]
    assert (table["n"] == n).all()
    a, b = table.loc["a"], table.loc["b"]
    assert a["bias"] == pytest.approx(stats.describe(error["a"]).mean)
    assert a["bias_err"] == pytest.approx(stats.sem(error["a"]), rel=0.12)
    assert a["rms"] ** 2 == pytest.approx(
        stats.describe(error["a"], ddof=0).variance + a["bias"] ** 2
    )
    # Var(x^2) = 2 s^4 + 4 s^2 m^2 for a normal law.
    closed = np.sqrt((2 * sd**4 + 4 * sd**2 * shift**2) / n) / (2 * np.hypot(sd, shift))
    assert a["rms_err"] == pytest.approx(closed, rel=0.12)
    assert b["rms_err"] == pytest.approx(2 * sd / np.sqrt(2 * n), rel=0.12)


def test_what_light_at_an_angle_to_the_mass_tells_of_it(rng):
    n, q, angle = 20000, 0.6, 0.2
    phi = rng.uniform(0, np.pi, n)
    lenses = {"theta_E": np.ones(n), "q": np.full(n, q), "phi": phi, "lens_q": np.full(n, q)}
    lenses["lens_phi"] = (phi + angle * rng.choice([-1, 1], n)) % np.pi
    table = metrics.evaluate_light(lenses, "vis_light", 2).set_index("target")
    e = (1 - q**2) / (1 + q**2)  # a chord of twice the angle, in any direction
    np.testing.assert_allclose(
        table.loc[["e1", "e2"], "rms"], 2**0.5 * e * np.sin(angle), rtol=0.02
    )
    assert table.loc["phi", "rms"] == pytest.approx(angle)
    assert table.loc["ellipticity", "rms"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(table.loc["theta_E", "rms"]) and (table["estimate"] == "vis_light").all()

    lenses |= {"lens_q": np.full(n, q / 1.2), "lens_phi": phi}
    table = metrics.evaluate_light(lenses, "vis_light", 2).set_index("target")
    assert table.loc["ellipticity", "bias"] == pytest.approx(q - q / 1.2)
    assert table.loc["phi", "rms"] == pytest.approx(0, abs=1e-12)


def test_bins_have_the_rms_and_standard_error_of_their_rows(rng):
    by = rng.uniform(0, 10, 40_000)
    error = {"a": rng.normal(0, 1 + by), "b": stats.t.rvs(12, size=by.size, random_state=rng)}
    table = metrics.binned(error, by, [0, 5, 10, 20]).set_index(["low", "target"])
    np.testing.assert_array_equal(table["high"], [5, 5, 10, 10, 20, 20])
    low = table.loc[(0, "a")]
    assert low["n"] == np.count_nonzero(by < 5)
    assert low["mean"] == pytest.approx(2.5, abs=0.05)
    # E[(1 + x)^2] over a bin: (6^3 - 1) / 15 and (11^3 - 6^3) / 15.
    assert low["rms"] == pytest.approx(np.sqrt(215 / 15), rel=0.02)
    assert table.loc[(5, "a"), "rms"] == pytest.approx(np.sqrt(1115 / 15), rel=0.02)
    # Student's t: variance 12 / 10, kurtosis 3 + 6 / 8, so Var(x^2) = 2.75 variance^2.
    tails = table.loc[(0, "b")]
    closed = np.sqrt(2.75 * 1.2**2 / low["n"]) / (2 * np.sqrt(1.2))
    assert tails["rms_err"] == pytest.approx(closed, rel=0.1)
    again = metrics.summarise({"b": error["b"][by < 5]}, 300)
    assert tails["rms_err"] == pytest.approx(again["rms_err"].item(), rel=0.15)
    empty = table.loc[(10, "b")]
    assert empty["n"] == 0
    assert empty[["mean", "rms", "rms_err"]].isna().all()


def test_edges_of_bins_belong_to_the_bin_above():
    by, error = np.array([-1.0, 20, 30, 399, 400, 900]), {"a": np.arange(6.0)}
    table = metrics.binned(error, by, [20, 30, 400, np.inf])
    assert list(table["n"]) == [1, 2, 2]
    assert table["rms"].iloc[0] == 1
    assert np.isnan(table["rms_err"].iloc[0])  # one row has no scatter
    assert list(metrics.binned(error, by, [20, 30, 900])["n"]) == [1, 4]
    for edges in ([1.0], [1.0, 1.0], [2.0, 1.0]):
        with pytest.raises(ValueError, match="must increase"):
            metrics.binned(error, by, edges)


def write_predictions(path, drop=(), **change):
    """100 lenses, all of q = 0.5; estimates too large in theta_E by 10 % and turned by 0.2 rad."""
    theta_E, phi = np.linspace(1, 2, 100), np.linspace(0, 3.1, 100)
    e = (1 - 0.5**2) / (1 + 0.5**2)
    columns = {
        "true": np.column_stack([e * np.sin(2 * phi), theta_E, e * np.cos(2 * phi)]),
        "predicted": np.column_stack(
            [e * np.sin(2 * phi + 0.4), 1.1 * theta_E, e * np.cos(2 * phi + 0.4)]
        ),
        "lens_R_sersic": theta_E / np.repeat([0.5, 2.0], 50),
        "snr": np.linspace(20, 500, 100),
    }
    arrays = {name: values for name, values in (columns | change).items() if name not in drop}
    origin = provenance.collect(MADE_WITH, [])
    storage.write_h5(path, arrays, {"target": "e2 theta_E e1", **origin})


def test_files_are_read_by_the_names_of_their_columns(tmp_path):
    path = tmp_path / "noll_seed3.h5"
    write_predictions(path)
    true, predicted, labels = metrics.read_predictions(path)
    np.testing.assert_allclose(true["theta_E"], np.linspace(1, 2, 100))
    np.testing.assert_allclose(true["phi"], np.linspace(0, 3.1, 100), atol=1e-12)
    np.testing.assert_allclose(predicted["ellipticity"], 0.5)
    assert set(labels) == {"lens_R_sersic", "snr"}

    table = metrics.evaluate([path], "euclid", 10)
    assert list(table.columns)[:5] == ["view", "estimate", "seed", "target", "n"]
    assert set(table["view"]) == {"euclid"} and set(table["seed"]) == {3}
    table = table.set_index("target")
    assert list(table.index) == list(metrics.ERRORS)
    np.testing.assert_allclose(table.loc["phi", ["rms", "bias"]].astype(float), 0.2)
    np.testing.assert_allclose(table.loc["fractional_theta_E", ["rms"]].astype(float), 0.1)
    assert table.loc["ellipticity", "rms"] == pytest.approx(0, abs=1e-12)

    bins = {"theta_E_over_R_e": [0, 1, 3], "snr": [20, 260, np.inf], "phi": [0, np.pi]}
    table = metrics.evaluate_binned([path, path], "euclid", bins)
    assert list(table.columns)[:6] == ["view", "estimate", "seed", "by", "low", "high"]
    assert len(table) == 2 * 5 * len(metrics.ERRORS)
    chosen = table[(table["by"] == "theta_E_over_R_e") & (table["target"] == "phi")]
    np.testing.assert_allclose(chosen["mean"], [0.5, 2.0, 0.5, 2.0])
    assert set(table[table["by"] == "snr"]["n"]) == {50}


def turned(angle, factor):
    """Estimates of the lenses of `write_predictions`: turned (rad) and too large in theta_E."""
    theta_E, phi = np.linspace(1, 2, 100), np.linspace(0, 3.1, 100) + angle
    e = (1 - 0.5**2) / (1 + 0.5**2)
    return np.column_stack([e * np.sin(2 * phi), factor * theta_E, e * np.cos(2 * phi)])


def test_means_over_mirrored_images_are_estimates_of_their_own(tmp_path):
    new, old = tmp_path / "noll_seed0.h5", tmp_path / "noll_seed1.h5"
    write_predictions(new, predicted_mirrors=turned(0.05, 1.02))
    write_predictions(old)
    table = metrics.evaluate([new, old], "euclid", 10)
    assert list(table.drop_duplicates(["estimate", "seed"])["estimate"]) == [
        "noll", "noll_mirrors", "noll",
    ]  # fmt: skip
    assert set(table["view"]) == {"euclid"}
    rows = table.set_index(["estimate", "seed", "target"]).sort_index()
    mirrors = rows.loc[("noll_mirrors", 0)]
    assert mirrors.loc["phi", "rms"] == pytest.approx(0.05)
    assert mirrors.loc["phi", "rms_err"] == pytest.approx(0, abs=1e-12)
    assert mirrors.loc["fractional_theta_E", "bias"] == pytest.approx(0.02)
    scatter = mirrors.loc["theta_E", "rms_err"]  # of 0.02 theta_E, beside 0.1 theta_E below
    assert scatter == pytest.approx(rows.loc[("noll", 0, "theta_E"), "rms_err"] / 5)
    # The single pass has the numbers of a file without the mean, and no label is added.
    pd.testing.assert_frame_equal(rows.loc[("noll", 0)], rows.loc[("noll", 1)])
    for path in (new, old):
        assert set(metrics.read_predictions(path)[2]) == {"lens_R_sersic", "snr"}
    binned = [metrics.evaluate_binned([path], "a", {"snr": [20, 600]}) for path in (new, old)]
    pd.testing.assert_frame_equal(*(frame.drop(columns="seed") for frame in binned))
    alone = metrics.evaluate([old], "euclid", 10)
    assert set(alone["estimate"]) == {"noll"}


def test_the_ledger_takes_the_single_pass(tmp_path):
    """Of every claim of pearson2019 that a core network's RMS decides."""
    views = [f"{camera}_{light}" for camera in ("vis", "r", "gri") for light in ("removed", "kept")]
    spec = {"target": "e2 theta_E e1", "spec": json.dumps({"training": {"epochs": 3}})}
    registry = read_registry(ROOT / "config/claims.csv")
    registry = registry[(registry["paper"] == "pearson2019") & (registry["kind"] == "rms")]
    reasons = pd.DataFrame(columns=["id", "reading", "reason"])
    tolerances = dict.fromkeys((*KINDS, SPREAD), 0.1)
    ledgers = []
    for name, extra in (("old", {}), ("new", {"predicted_mirrors": turned(0.01, 1.01)})):
        paths = []
        for k, view in enumerate(views, 1):
            paths.append(tmp_path / name / view / f"{view}_seed0.h5")
            arrays = {"true": turned(0, 1), "predicted": turned(0.1 * k, 1 + 0.1 * k)}
            storage.write_h5(paths[-1], arrays | {"snr": np.linspace(20, 90, 100)} | extra, spec)
        of = Pearson2019Results(list_predictions(paths), 5, 3, dict.fromkeys(views, 100))
        ledgers.append(make_ledger(registry, {"pearson2019": [of]}, tolerances, reasons, "quick"))
    pd.testing.assert_frame_equal(*ledgers)
    assert (ledgers[0]["verdict"] != "not computed").sum() >= 30


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "noll_seed0.h5"
    write_predictions(path, drop=["snr"])
    with pytest.raises(storage.DataFileError, match=r"noll_seed0\.h5 lacks snr"):
        metrics.evaluate_binned([path], "euclid", {"snr": [0, 1]})
    with pytest.raises(ValueError, match="not by 'z_lens'"):
        metrics.evaluate_binned([path], "euclid", {"z_lens": [0, 1]})
    write_predictions(path, predicted=np.full((100, 3), np.nan))
    with pytest.raises(storage.DataFileError, match=r"noll_seed0\.h5: 100 of 100 .*'predicted'"):
        metrics.evaluate([path], "euclid", 5)
    write_predictions(path, predicted_mirrors=np.full((100, 3), np.inf))
    with pytest.raises(storage.DataFileError, match=r"100 of 100 .*'predicted_mirrors'"):
        metrics.evaluate([path], "euclid", 5)
    storage.write_h5(path, {"true": np.ones(3), "predicted": np.ones(3)}, {"target": "alpha"})
    with pytest.raises(storage.DataFileError, match=r"no predictions of theta_E, .*'alpha'"):
        metrics.read_predictions(path)


def test_script_writes_both_tables(tmp_path):
    path = tmp_path / "noll_seed0.h5"
    write_predictions(path)
    job = SimpleNamespace(
        input=SimpleNamespace(predictions=[path]),
        output=SimpleNamespace(overall=tmp_path / "overall.csv", binned=tmp_path / "binned.csv"),
        params=SimpleNamespace(
            bootstrap=5, bins={"snr": [20, 100, np.inf]}, made_with=[json.dumps(EXPECTED)]
        ),
        wildcards=SimpleNamespace(view="euclid"),
    )
    runpy.run_path(str(SCRIPT), {"snakemake": job})
    overall = pd.read_csv(job.output.overall).set_index("target")
    assert overall.loc["phi", "rms"] == pytest.approx(0.2, rel=1e-6)
    assert pd.read_csv(job.output.binned)["high"].tolist() == [100] * 6 + [np.inf] * 6
