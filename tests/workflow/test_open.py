"""What the config invites: views, surveys, cameras and networks of one's own, by config alone."""

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


@pytest.mark.parametrize("light", ["removed", "kept"])
def test_a_survey_and_a_camera_of_ones_own_are_planned(tmp_path, light):
    """A survey with a band, a sample of its lenses, a camera: from lenses to predictions."""
    survey = {
        "n_pix": 41, "pixel_scale": 0.26, "seeing": 0.9, "exposure": 900.0, "reads": 1,
        "read_noise": 6.0, "dark_current": 0.0, "detection_band": "r",
        "theta_E_training": {"minimum": 0.5, "maximum": 3.0},
        "bands": {"r": {"zero_point": 30.0, "sky": 21.0}},
    }  # fmt: skip
    sample = {"survey": "mine", "population_model": "calibrated", "n_train": 40, "n_test": 20}
    pearson = {
        "surveys": {"mine": survey},
        "samples": {"mine": sample},
        "cameras": {"mine": {"sample": "mine", "bands": ["r"]}},
    }
    path = overlay(tmp_path, "mine", {"scale": "mine", "pearson2019": pearson})
    view = f"mine_{light}"
    target = f"results/mine/pearson2019/predictions/{view}/{view}_seed0.h5"
    configs = ("--configfile", "config/config.yaml", path)
    planned = jobs(snakemake("-n", *configs, "--", target))
    assert planned["pearson2019_population"] == planned["pearson2019_images"] == 2
    assert planned["train"] == planned["predict"] == 1
