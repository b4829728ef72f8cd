"""What the config invites: views, surveys, cameras and networks of one's own, by config alone."""

import re

import pandas as pd
import pytest
from workflows import clone, jobs, overlay, snakemake

SETS = {"n_train": 48, "n_test": 12, "n_fixed_alpha": 4, "shard_size": 40}
SHALLOW = {
    "targets": ["N"], "scalars": [], "filters": [4, 4], "kernels": [3, 3], "pool_after": [1, 2],
    "dense": 8, "dropout": 0.0,
}  # fmt: skip
VIEW = {"sample": "varied", "n_pix": 24, "pixel_scale": 0.25, "psf_sigma": 0.1}


def test_a_view_and_a_network_of_ones_own(tmp_path):
    """Through to the metrics, beside those of the paper's networks on that view."""
    copy = clone(tmp_path)
    scutt = {
        "sets": SETS,
        "networks": {"shallow": SHALLOW},
        "views": {"mine": VIEW | {"networks": ["n_cnn", "alpha_cnn", "shallow"]}},
        "evaluation": {"bootstrap": 5},
    }
    overlay(copy, "mine", {"scale": "mine", "scutt": scutt})
    target = "results/mine/scutt/metrics/mine.csv"
    configs = ("config/config.yaml", "config/smoke.yaml", "mine.yaml")
    snakemake("--cores", "2", "--configfile", *configs, "--", target, cwd=copy)
    table = pd.read_csv(copy / target)
    assert {"n_cnn", "alpha_cnn", "alpha_cnn_true_n", "shallow"} <= set(table["estimate"])
    assert set(table["view"]) == {"mine"}


def test_the_example_in_three_bands_runs(tmp_path):
    """From lenses to its table, with a table of colours through its own filters."""
    copy = clone(tmp_path)
    small = {
        "scale": "mine",
        "pearson2019": {
            "photometry": {"sed_library": "data/photometry/examples"},
            "samples": {"des": {"n_train": 24, "n_test": 30}},
            "study": {"lens_light": ["removed"]},
            "networks": {"cnn": {"filters": [4, 4], "kernels": [3, 3], "pool_after": [1, 2]}},
        },
    }
    overlay(copy, "mine", small)
    configs = [f"config/{name}.yaml" for name in ("config", "smoke", "examples/des")]
    targets = [f"pearson2019_study_{name}" for name in ("table", "limits")]
    snakemake("--cores", "2", "--configfile", *configs, "mine.yaml", "--", *targets, cwd=copy)
    table = pd.read_csv(copy / "paper_figures/mine/pearson2019/study_table.csv")
    assert set(table["view"]) == {"des_removed", "des_light"} and table["printed"].isna().all()
    tex = (copy / "paper_figures/mine/pearson2019/study_table.tex").read_text()
    assert "DES" in tex and "Euclid" not in tex and "LSST" not in tex
    limits = pd.read_csv(copy / "paper_figures/mine/pearson2019/study_limits.csv")
    rms = table.set_index(["estimate", "target"]).loc[("des_removed", "e1"), "rms"]
    beside = limits.set_index(["view", "target"]).loc[("des_removed", "e1")]
    assert set(limits["view"]) == {"des_removed"} and (limits["n"] == 30).all()
    assert beside["rms"] == pytest.approx(rms, rel=1e-3) and 0 < beside["limit"] < 1
    assert limits["printed"].isna().all()


def test_a_camera_outside_of_the_study_has_metrics_of_its_own_network(tmp_path):
    """And a view of another paper has none here."""
    sample = {"survey": "euclid", "population_model": "calibrated", "n_train": 24, "n_test": 20}
    own = {"samples": {"mine": sample}, "cameras": {"mine": {"sample": "mine", "bands": ["VIS"]}}}
    path = overlay(tmp_path, "mine", {"scale": "mine", "pearson2019": own})
    options = ("-n", "--configfile", "config/config.yaml", "config/smoke.yaml", path, "--")
    metrics = "results/mine/pearson2019/metrics"
    planned = jobs(snakemake(*options, f"{metrics}/mine_kept.csv"))
    assert planned["train"] == planned["predict"] == planned["pearson2019_metrics"] == 1
    text = snakemake(*options, f"{metrics}/fixed.csv", check=False)
    assert f"There is no target {metrics}/fixed.csv" in text and "KeyError" not in text


@pytest.mark.parametrize("example", ["roman", "wide_psf"])
def test_the_other_examples_are_planned(tmp_path, example):
    configs = (f"config/{name}.yaml" for name in ("config", f"examples/{example}"))
    planned = jobs(snakemake("-n", "--configfile", *configs, "--", "pearson2019_study"))
    counts = {"roman": (2, 2), "wide_psf": (2, 4)}  # networks; predictions, of stacks crosswise
    assert (planned["train"], planned["predict"]) == counts[example]
    for name in ("table", "selection", "limits"):
        assert planned[f"pearson2019_study_{name}"] == 1
    assert not any(re.fullmatch(r"pearson2019_(fig|table)\d+", name) for name in planned)


def test_limits_of_an_own_survey_take_no_training():
    configs = ("config/config.yaml", "config/examples/roman.yaml")
    limits = [
        f"results/roman/pearson2019/limits/roman_{light}.csv" for light in ("kept", "removed")
    ]
    planned = jobs(snakemake("-n", "--configfile", *configs, "--", *limits))
    assert planned == {
        "pearson2019_population": 2, "pearson2019_limits_roman": 1, "pearson2019_limit_metrics": 2,
    }  # fmt: skip
