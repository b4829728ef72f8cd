"""Predictions and the settings that a config has for them."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from workflows import clone, snakemake

from lenscnn.core import storage
from lenscnn.records import provenance
from lenscnn.records.migrations import check_predictions
from lenscnn.records.specs import write_spec

EXPECTED = {
    "training": {
        "epochs": 20,
        "learning_rate_decay": "none",
        "autocast": "bfloat16",
        "patience": None,
        "images": {"population": {"seed": 1, "criteria": {"field": 1, "snr": 20.0}}},
    },
    "images": {
        "population": {"criteria": {"field": 1}},
        "view": {"n_pix": 57, "light_of_mass": None},
    },
    "n_from": "none",
    "target": "N",
}


def predictions(path, **spec):
    target = {"target": spec.pop("target", "N")}
    storage.write_h5(path, {"x": np.arange(3)}, provenance.collect(spec, []) | target)
    return path


@pytest.mark.parametrize("change", [{"n_from": "truth"}, {"target": "alpha"}])
def test_another_estimate_is_refused(tmp_path, change):
    """Of the same network: with the true N, or by the same ridge regression of alpha."""
    path = predictions(tmp_path / "p.h5", **EXPECTED | change)
    ((key, value),) = change.items()
    with pytest.raises(
        storage.DataFileError, match=f"p.h5 is another estimate: its {key} is {value}"
    ):
        check_predictions(path, EXPECTED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"training": {"epochs": 19}}, "epochs is 19 there, 20 in the config"),
        ({"training": {"epochs": 20, "dropped": 3}}, None),  # a key that is no more
        ({"training": {"epochs": 20}}, None),  # before rates could decay, and fields be wide
        ({"training": {"epochs": 20, "autocast": "tf32", "patience": 3}}, None),
        ({"images": {"view": {"n_pix": 50}}}, "test view.n_pix is 50 there, 57 in the config"),
        (
            {"images": {"view": {"light_of_mass": {"phi_sd": 10.0}}}},
            "test view.light_of_mass is {'phi_sd': 10.0} there, None in the config",
        ),
    ],
)
def test_settings_that_differ_are_named(tmp_path, change, message):
    path = predictions(tmp_path / "p.h5", **EXPECTED | change)
    if message is None:
        check_predictions(path, EXPECTED)
    else:
        with pytest.raises(storage.DataFileError, match=f"p.h5 was made with other.*{message}"):
            check_predictions(path, EXPECTED)


def test_n_of_another_network_is_refused_before_anything_is_predicted(tmp_path):
    n_from = predictions(tmp_path / "n.h5", **EXPECTED | {"training": {"epochs": 19}})
    done = subprocess.run(
        [
            sys.executable, "scripts/predict.py", "--weights", tmp_path / "none.pt", "--shards",
            tmp_path / "none.h5", "--n-from", n_from,
            "--n-settings", write_spec(EXPECTED, tmp_path), "--keep", "index",
            "--spec", write_spec({}, tmp_path), "--images", write_spec({}, tmp_path),
            "--out", tmp_path / "out.h5",
        ],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": "src"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode and "n.h5 was made with other settings: epochs is 19" in done.stderr
    assert not (tmp_path / "out.h5").exists()


def test_a_younger_setting_counts_as_what_it_was_before(tmp_path):
    path = predictions(
        tmp_path / "p.h5", training={"epochs": 20}, images={"population": {"criteria": {}}}
    )
    for key, value in (("training", {"learning_rate_decay": "cosine"}),
                       ("images", {"population": {"criteria": {"field": 2}}})):  # fmt: skip
        with pytest.raises(storage.DataFileError, match="is (none|1) there, (cosine|2) in the"):
            check_predictions(path, EXPECTED | {key: value | {"epochs": 20}})


@pytest.mark.parametrize(
    ("key", "before", "other"),
    [
        ("label_range", 1.0, 10.0),
        ("learning_rate_decay", "none", "linear"),
        ("mirror", False, True),
        ("normalise", "image", "band"),
        ("images.population.k_correction", False, True),
        ("images.population.criteria.any_band", False, True),
        ("images.population.criteria.field", 1, 2),
        ("images.population.criteria.pixels", "bright", "all"),
    ],
)
def test_files_older_than_a_setting_count_as_it_was_before(tmp_path, key, before, other):
    """As the code did when it had no such key."""
    path = predictions(
        tmp_path / "p.h5", training={"images": {"population": {"criteria": {}}}}, images={}
    )

    def asked_for(value):
        for name in reversed(key.split(".")):
            value = {name: value}
        return {"training": value, "images": {}, "n_from": "none", "target": "N"}

    check_predictions(path, asked_for(before))
    with pytest.raises(storage.DataFileError, match=rf"{key} is {before} there, {other} in the"):
        check_predictions(path, asked_for(other))


def test_only_precision_and_patience_may_differ(tmp_path):
    """Another seed, for one, is another network."""
    training = EXPECTED["training"] | {"seed": 0}
    path = predictions(tmp_path / "p.h5", **EXPECTED | {"training": training})
    check_predictions(
        path, EXPECTED | {"training": training | {"autocast": "float32", "patience": 10}}
    )
    for key, other in (("seed", 1), ("epochs", 40), ("learning_rate_decay", "cosine")):
        with pytest.raises(storage.DataFileError, match=f"{key} is .* there, {other} in the"):
            check_predictions(path, EXPECTED | {"training": training | {key: other}})


@pytest.mark.slow
def test_metrics_are_not_made_of_predictions_of_other_settings(tmp_path):
    """Where Snakemake has forgotten what they were made with."""
    copy = clone(tmp_path)
    folder = copy / "results/paper/scutt/predictions"
    shutil.copytree(ROOT / "results/paper/scutt/predictions", folder)
    arguments = ("--cores", "1", "--allowed-rules", "metrics")
    target = "results/paper/scutt/metrics/lowres.csv"
    snakemake(*arguments, "--", target, cwd=copy)
    assert (copy / target).read_bytes() == (ROOT / target).read_bytes()
    (copy / target).unlink()
    for other in folder.glob("fixed/*"):
        shutil.copy(other, folder / "lowres" / other.name)  # of another camera
    text = snakemake(*arguments, "--", target, cwd=copy, check=False)
    log = (copy / "logs/paper/scutt/metrics/lowres.log").read_text() + text
    assert "was made with other settings: images.view.n_pix is 60 there, 30 in the config" in log
    assert not (copy / target).exists()
