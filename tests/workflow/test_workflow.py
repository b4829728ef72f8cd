"""The DAG: what it holds, what makes it run again, what it refuses."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from types import SimpleNamespace

import jinja2
import pytest
from conftest import ROOT
from snakemake.utils import update_config
from workflows import ENVIRONMENT, clone, jobs, overlay, snakemake

from lenscnn.config.checks import values_of_scale
from lenscnn.papers.registry import mistakes_in

SMOKE = ("--configfile", "config/smoke.yaml")
# Small enough to run in seconds; lists are replaced by overlays, so this stays within a reading.
TINY = {
    "scale": "tiny",
    "scutt": {
        "sets": {"n_train": 48, "n_test": 12, "n_fixed_alpha": 4, "shard_size": 40},
        "evaluation": {"bootstrap": 5, "mass_sample": 5},
    },
}


FIGURES = [f"fig{k}" for k in range(1, 9)]
TABLES = [f"table{k}" for k in range(1, 5)] + ["skill", "limits"]
READINGS = ("scutt", "scutt_as_run")
PEARSON_FIGURES = [f"fig{k}" for k in range(1, 15)]
PEARSON_LIMITS = [
    f"limits_{name}"
    for name in ("fig8_removed", "fig8_kept", "fig13", "fig14", "misalignment", "fits")
]
PEARSON_TABLES = ["table1", "limits", "worth", "fits"]
PEARSON_TARGETS = [*PEARSON_FIGURES, *PEARSON_LIMITS, *PEARSON_TABLES]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A checkout in which nothing has been made yet."""
    return clone(tmp_path_factory.mktemp("fresh"))


def test_all_is_every_figure_and_table_of_both_readings(fresh):
    planned = jobs(snakemake("-n", "all", cwd=fresh))
    targets = {f"{reading}_{name}": 1 for reading in READINGS for name in FIGURES + TABLES}
    aids = {f"{reading}_{name}": 1 for reading in READINGS for name in ("masses", "example")}
    # Per reading: 2 draws x 2 splits; 3 views x (2 + 1 shards); 7 networks; 10 estimates.
    stages = {"population": 8, "simulate": 18, "train": 14, "predict": 20, "metrics": 6, "all": 1}
    stages["ridge"] = 6  # one a view
    # pearson2019. Networks: 6 core, 2 of the literal dark current, 3 further visits, for figures
    # 10-12 a control, one without scatter and 3 x 3 with. Test sets: the 11 first, 3 with a fitted
    # and 3 with bright lenses, control, no scatter, and 6 + 4 + 5 others. Estimates: 4 x 4 visits;
    # 10 networks where there is no scatter, else 4; one everywhere else. A second seed: a network
    # tested on 4 stacks of visits, a fitted profile and bright lenses.
    networks, tests = 22, 34
    estimates = 16 + 10 + 4 * (6 + 4 + 5) + (5 + 2 + 6 + 1) + 6
    # 4 samples of 50,000 + 10,000 lenses, 2 of 10,000, 2 of 1,000; 5,000 a job.
    pearson = {f"pearson2019_{name}": 1 for name in PEARSON_TARGETS} | {
        "pearson2019_population": 4 * 12 + 2 * 2 + 2, "pearson2019_selection": 1,
        "pearson2019_examples": 3, "pearson2019_images": networks + tests - 3,
        "pearson2019_fitted_images": 3,
        "pearson2019_metrics": tests, "pearson2019_light": 3,
        # 6 core views and 3 further visits, of two samples; of another one the control and 16
        # of scattered light.
        "pearson2019_limits_euclid": 1, "pearson2019_limits_lsst": 1,
        "pearson2019_limits_euclid_caustic": 1,
        "pearson2019_limit_metrics": 10 + 16, "pearson2019_limit_network": 10,
        "pearson2019_fit_images": 3,
    }  # fmt: skip
    stages["train"] += networks + 1
    stages["predict"] += estimates
    assert planned == targets | aids | stages | pearson | {
        "claims": 1, "claims_table": 1, "provenance_table": 1,
    }  # fmt: skip


def test_every_target_has_a_name_and_a_path(fresh):
    names = [f"{reading}_{name}" for reading in READINGS for name in FIGURES + TABLES]
    names += [f"pearson2019_{name}" for name in PEARSON_TARGETS]
    paths = [
        f"paper_figures/paper/{folder}/{name}.{kind}"
        for folders, targets in (
            (READINGS, FIGURES + TABLES),
            (["pearson2019"], PEARSON_TARGETS),
        )
        for folder in folders
        for name in targets
        for kind in (("csv", "tex") if name in TABLES + PEARSON_TABLES else ("pdf", "png"))
    ]
    by_name, by_path = (
        jobs(snakemake("-n", *names, cwd=fresh)),
        jobs(snakemake("-n", *paths, cwd=fresh)),
    )
    assert by_name == by_path
    assert set(names) <= set(by_name)


@pytest.mark.parametrize(
    ("target", "stages"),
    [
        ("scutt_fig1", {"population": 1}),
        ("scutt_as_run_fig4", {}),
        ("scutt_as_run_fig8", {"population": 2, "simulate": 3, "train": 3, "predict": 4}),
        ("paper_figures/paper/scutt/table2.csv", {"simulate": 3, "train": 2, "predict": 3}),
        ("pearson2019_fig4", {"pearson2019_population": 2}),
        ("pearson2019_fig5", {}),
        ("pearson2019_limits_fig14", {"train": 4, "predict": 4, "pearson2019_images": 8}),
        ("pearson2019_fig7", {"train": 3, "predict": 3, "pearson2019_images": 6}),
        ("pearson2019_fig14", {"train": 5, "predict": 20, "pearson2019_images": 8}),
    ],
)
def test_a_single_target_asks_for_no_more_than_it_needs(target, stages, fresh):
    planned = jobs(snakemake("-n", target, cwd=fresh))
    for rule in (
        "population", "simulate", "train", "predict", "pearson2019_images",
        "pearson2019_population",
    ):  # fmt: skip
        expected = stages.get(rule, 0)
        if not rule.endswith("population") or rule in stages:
            assert planned.get(rule, 0) == expected, (target, rule)


def test_the_slurm_profile_resolves_as_typed(fresh):
    planned = jobs(snakemake("-n", "--profile", "slurm", "all", cwd=fresh))
    assert planned["train"] == 14 + 22 + 1
    submitted = {
        "populations": planned["population"] + planned["pearson2019_population"],
        "sets of images": sum(
            planned[name]
            for name in ("simulate", "pearson2019_images", "pearson2019_fitted_images")
        ),
        "trainings": planned["train"],
        "predictions": planned["predict"],
        "ridge regressions": planned["ridge"],
        "estimates of limits": sum(
            "limits_euclid" in name or "limits_lsst" in name for name in planned
        ),
        "sets of fits": planned["pearson2019_fit_images"],
    }
    text = " ".join((ROOT / "docs/cluster.md").read_text().split())
    assert f" {sum(submitted.values())} jobs: " in text
    for what, count in submitted.items():
        assert f" {count} {what}" in text, what


def test_a_site_says_what_it_calls_things_in_a_file_that_git_ignores(tmp_path):
    copy = clone(tmp_path)
    site = {
        "partitions": {"long": {}, "a100": {"max_gpu": 4}},
        "every_job": {"slurm_account": "lenses"},
        "gpu_job": {"gpu_model": "a100"},
    }
    ignored = overlay(copy / "profiles/slurm", "site", site).relative_to(copy)
    assert subprocess.run(["git", "check-ignore", "-q", ignored], cwd=ROOT).returncode == 0
    planned = snakemake("-n", "--profile", "slurm", "scutt_fig5", cwd=copy)
    asked = re.findall(r"^rule (\w+):.*?resources: (.*?)$", planned, re.M | re.S)
    assert len(asked) == 2 + 3 + 2 + 3 + 1 + 2  # Snakemake lists local rules too
    for rule, resources in asked:
        assert "slurm_account=lenses" in resources
        on_gpu = rule in ("simulate", "train", "predict")
        assert ("gpu_model=a100" in resources) == on_gpu, rule


def test_lens_light_is_fitted_without_a_gpu(fresh):
    views = ("vis_kept", "vis_fitted")
    images = [f"results/paper/pearson2019/images/{view}/test.h5" for view in views]
    planned = snakemake("-n", *images, "--config", "device=cuda", cwd=fresh)
    asked = dict(re.findall(r"images/(\w+)/test\.h5\n.*?resources: (.*?)\n", planned, re.S))
    assert "gpu=1, device=cuda" in asked["vis_kept"], planned
    assert "gpu=0, device=cpu" in asked["vis_fitted"], planned


def test_lint_and_format():
    # The software is one environment, of envs/requirements.txt: no rule has one of its own.
    lints = re.findall(r"^    \* (.+)$", snakemake("--lint", check=False), re.M)
    assert set(lints) == {"Specify a conda environment or container for each rule.:"}
    for command in (
        "snakefmt --check Snakefile workflow",
        "ruff format --check .",
        "ruff check .",
    ):
        subprocess.run(command.split(), cwd=ROOT, env=ENVIRONMENT, check=True)


def test_types():
    subprocess.run("basedpyright", cwd=ROOT, env=ENVIRONMENT, check=True)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"sclae": "paper"}, ["config key sclae: there is no such key; did you mean scale?"]),
        (
            {"scutt": {"training": {"learning_rat": 0.1}}},
            ["scutt.training.learning_rat:", "did you mean learning_rate?"],
        ),
        ({"scutt": {"samples": {"fixed": {"q": 0.0}}}}, ["samples.fixed.q: 0.0 is less than 0.1"]),
        ({"scutt": {"samples": {"fixed": {"q": 1.2}}}}, ["samples.fixed.q: 1.2 is greater than 1"]),
        ({"scutt": {"samples": {"fixed": {"theta_E": 0}}}}, ["theta_E: 0 is not greater than 0"]),
        ({"scutt": {"samples": {"varied": {"theta_E": {"minimum": 0}}}}}, ["minimum"]),
        ({"scutt": {"population": {"substructure_fraction": 1.5}}}, ["1.5"]),
        ({"scutt": {"variants": {"scutt": {"noise": "loud"}}}}, ["loud", "peak_fraction"]),
        ({"scutt": {"variants": {"scutt": {"mass_function": "nfw"}}}}, ["nfw", "powerlaw"]),
        ({"device": "tpu"}, ["device: 'tpu' must be 'auto', 'cpu' or 'cuda'"]),
        ({"scutt": {"training": {"batch_size": True}}}, ["batch_size: true is no number"]),
        ({"scutt": {"views": {"deep": {"sample": "fixed"}}}}, ["views.deep.n_pix: it is missing"]),
        (
            {"seed": -1, "scutt": {"training": {"epochs": 0}}},
            ["config key seed: -1 is less than 0", "training.epochs: 0 is less than 1"],
        ),
        ({"scutt": {"scene": {"noise": {"snr": float("nan")}}}}, ["noise.snr", "finite"]),
        ({"scutt": {"population": {"alpha": {"minimum": -1}}}}, ["population.alpha", "not below"]),
        ({"scutt": {"population": {"z_lens": 2.0}}}, ["samples.fixed.z_source", "z_lens = 2.0"]),
        (
            {"scutt": {"samples": {"varied": {"theta_E": {"minimum": 9, "maximum": 12}}}}},
            ["theta_E.minimum", "cuts off"],
        ),
        ({"scutt": {"networks": {"n_cnn": {"kernels": [5, 5]}}}}, ["n_cnn.kernels", "3 filters"]),
        ({"scutt": {"networks": {"n_cnn": {"kernels": [5, 4, 5]}}}}, ["kernels", "4"]),
        ({"scutt": {"networks": {"n_cnn": {"pool_after": [1, 9]}}}}, ["n_cnn.pool_after"]),
        (
            {"scutt": {"networks": {"n_cnn": {"targets": ["alpha"]}}}},
            ["n_cnn.targets: ['alpha'] must be ['N']"],
        ),
        (
            {"pearson2019": {"more_seeds": {"vis_remove": [1]}}},
            ["more_seeds.vis_remove", "did you mean vis_removed?"],
        ),
        ({"scutt": {"training": {"seeds": [0, 0]}}}, ["training.seeds: [0, 0] has an entry twice"]),
        (
            {"pearson2019": {"cameras": {"gri": {"bands": ["i", "r", "z"]}}}},
            ["cameras.gri.bands", "lsst has no band 'z'", "g, r, i"],
        ),
        (
            {"pearson2019": {"surveys": {"euclid": {"detection_band": "r"}}}},
            ["surveys.euclid.detection_band", "none of VIS"],
        ),
        (
            {"pearson2019": {"surveys": {"lsst": {"exposure": -30.0}}}},
            ["exposure: -30.0 is not greater than 0"],
        ),
        (
            {"pearson2019": {"population": {"light_of_mass": {"q_sd": -0.1}}}},
            ["q_sd: -0.1 is less than 0"],
        ),
        (
            {"pearson2019": {"misalignment": {"both": {"test": [0, 40]}}}},
            ["misalignment.both.test", "no light scatters by 40"],
        ),
        (
            {"pearson2019": {"population": {"light_of_mass": {"q_mean": 0.8, "q_sd": 0.02}}}},
            ["light_of_mass.q_mean", "0.8 is more than five times q_sd, 0.02, below 1"],
        ),
        (
            {
                "pearson2019": {
                    "photometry": {"k_correction": True},
                    "surveys": {"euclid": {"bands": {"Y": {"zero_point": 25, "sky": 22}}}},
                }
            },
            ["surveys.euclid.bands.Y.filter", "it is missing", "a name of speclite"],
        ),
        (
            {"pearson2019": {"photometry": {"minimum_lens_age": 5e9}}},
            ["photometry.minimum_lens_age", "z_lens_maximum = 2"],
        ),
        (
            {"pearson2019": {"population": {"light_of_mass": {"q_mean": 20}}}},
            ["light_of_mass.q_mean: 20 is greater than 2"],
        ),
        (
            {"pearson2019": {"misalignment": {"phi": {"test": [0, -5]}}}},
            ["misalignment.phi.test.1: -5 is less than 0"],
        ),
        ({"pearson2019": {"visits": [4, 1]}}, ["visits", "the first is 4; it must be 1"]),
        (
            {"pearson2019": {"samples": {"lsst": {"n_train": 0}}}},
            ["samples.lsst.n_train", "networks are trained"],
        ),
        (
            {"pearson2019": {"cameras": {"r": {"sample": "hsc"}}}},
            ["cameras.r.sample", "'hsc' is none of euclid"],
        ),
        (
            {"pearson2019": {"evaluation": {"bins": {"snr": [30, 20, 40]}}}},
            ["bins.snr", "do not increase"],
        ),
        (
            {"pearson2019": {"surveys": {"lsst": {"pixel_scale": 0.12}}}},
            ["surveys.lsst.theta_E_training.maximum", "3.5 arcsec is not below", "3.42 arcsec"],
        ),
        (
            {
                "scutt": {
                    "variants": {
                        "scutt_skill": {"mass_function": "powerlaw", "noise": "integrated"}
                    }
                }
            },
            ["scutt.variants.scutt_skill", "a target has this name"],
        ),
        (
            {
                "scutt": {
                    "networks": {
                        "n_cnn": {
                            "filters": [4] * 5,
                            "kernels": [3] * 5,
                            "pool_after": [1, 2, 3, 4, 5],
                        }
                    },
                    "views": {"lowres": {"n_pix": 30}},
                }
            },
            ["n_cnn.pool_after", "5 poolings leave nothing of images of 30 pixels"],
        ),
        (
            {"scutt": {"training": {"epochs": 99}}},
            ["scutt.training.epochs", "99, but 100 in", "the scale paper", "`scale` of its own"],
        ),
        (
            {"scale": "quick", "seed": 2},
            ["in the scale quick of this repository"],
        ),
    ],
)
def test_bad_config_is_named(changes, names):
    """In a few lines, whatever else it holds."""
    values = values_of_scale(ROOT / "config", "paper")
    update_config(values, changes)
    lines = mistakes_in(values, ROOT / "config")
    assert 0 < len(lines) <= 5 and max(map(len, lines)) < 300
    for name in names:
        assert any(name in line for line in lines), lines


def test_every_mistake_of_a_config_is_told_before_any_job(tmp_path):
    """Also those in relations between values, of both papers, at once."""
    changes = {
        "scale": "mine",
        "scutt": {
            "population": {"z_lens": 2.0},
            "variants": {"scutt": {"mass_function": "powerlaws"}},
        },
        "pearson2019": {"cameras": {"r": {"sample": "lsts"}, "vis": {"sample": "euclidd"}}},
    }  # fmt: skip
    path = overlay(tmp_path, "bad", changes)
    text = snakemake("-n", "--configfile", "config/config.yaml", path, "--", "all", check=False)
    assert "Job stats" not in text and "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("config key")]
    assert [line.split(":")[0] for line in lines] == [
        "config key scutt.variants.scutt.mass_function",
        "config key scutt.samples.fixed.z_source",
        "config key scutt.samples.varied.z_source.minimum",
        "config key pearson2019.cameras.vis.sample",
        "config key pearson2019.cameras.r.sample",
    ]
    assert lines[0].endswith("; did you mean powerlaw?")
    assert lines[3].endswith("; did you mean euclid?") and "did you mean lsst?" in lines[4]


def test_captions_of_the_report_are_filled_from_the_config(config):
    """With nothing that the config lacks, which jinja2 would leave out in silence."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    captions = sorted((ROOT / "workflow/report").glob("*.rst"))
    assert len(captions) > 25
    for path in captions:
        text = environment.from_string(path.read_text()).render(
            snakemake=SimpleNamespace(
                config=config, rule="the_rule", params=SimpleNamespace(called="the cameras")
            )
        )
        assert "paper" in text and "{{" not in text, path


def test_a_scale_may_be_computed_elsewhere_and_in_other_portions(tmp_path):
    free = {
        "lenses_per_job": 1000, "training": {"seeds": [0, 1]}, "more_seeds": {"r_kept": [1]},
    }  # fmt: skip
    free = {"pearson2019": free}
    path = overlay(tmp_path, "free", free)
    arguments = ("--config", "device=cpu", "--configfile", "config/config.yaml", path)
    planned = jobs(snakemake("-n", *arguments, "--", "pearson2019_table1"))
    assert planned["pearson2019_population"] == 3 * 60
    assert planned["train"] == 2 * 11  # two seeds of each; that of more_seeds is one of them


def test_each_reading_of_scutt_has_its_noise():
    """As printed, a signal-to-noise ratio of the stamp; as run, a fraction of the peak."""
    for reading, noise in (("scutt", "integrated"), ("scutt_as_run", "peak_fraction")):
        shard, weights = (
            f"results/smoke/{reading}/{name}"
            for name in ("images/lowres/test/shard_0.h5", "weights/lowres/n_cnn_seed0.pt")
        )
        text = snakemake(
            "-n", "-p", "--forceall", "--configfile", "config/smoke.yaml", "--", shard, weights
        )
        files = re.findall(r"scripts/(\w+)\.py .*--spec (\S+)", text)
        told = [(script, json.loads((ROOT / file).read_text())) for script, file in files]
        views = [spec["view"] for script, spec in told if script == "simulate"]
        views += [spec["images"]["view"] for script, spec in told if script == "train"]
        assert len(views) == 3  # test and training images, and what the training expects
        for view in views:
            assert view["noise"] == {"definition": noise, "snr": 300.0, "peak_fraction": 0.02}


def test_table1_alone_asks_for_mirrored_images(fresh):
    text = snakemake(
        "-n", "-p", "pearson2019_table1", "pearson2019_fig14", "scutt_table2", cwd=fresh
    )
    commands = re.findall(r"python scripts/predict\.py .*?--out (\S+)", text)
    mirrored = re.findall(r"python scripts/predict\.py [^>]* --mirrors [^>]*--out (\S+)", text)
    views = [f"{camera}_{light}" for camera in ("vis", "r", "gri", "vis_dark")
             for light in ("removed", "kept")]  # fmt: skip
    folder = "results/paper/pearson2019/predictions"
    seeds = [(view, 0) for view in views] + [("vis_removed", 1)]
    files = [f"{folder}/{view}/{view}_seed{seed}.h5" for view, seed in seeds]
    assert sorted(mirrored) == sorted(files)
    # Beside them 3 + 1 with a fitted profile, 4 x 5 - 2 of figure 14, 3 of scutt.
    assert len(commands) == 9 + 4 + 18 + 3


def test_round_lens_is_allowed(tmp_path, fresh):
    round_lens = {"scale": "round", "scutt": {"samples": {"fixed": {"q": 1.0}}}}
    path = overlay(tmp_path, "round", round_lens)
    assert jobs(
        snakemake("-n", "--configfile", "config/config.yaml", path, "--", "scutt_fig3", cwd=fresh)
    )


def test_released_predictions_ask_for_no_image(tmp_path):
    """With the predictions at hand, the figures need neither images nor training."""
    copy = clone(tmp_path)
    text = snakemake("-n", "all", cwd=copy)
    files = re.findall(r"output: (results/paper/\w+/predictions/\S+\.h5)", text)
    ridge = re.findall(r"output: (results/paper/\w+/predictions/\S+ridge_n_seed0\.h5)", text)
    assert len(ridge) == 6
    files = [file for file in files if file not in ridge]
    assert len(files) == 20 + 100 + 6  # the second seed of vis_removed
    files += re.findall(r"output: (results/paper/pearson2019/population/\S+\.h5)", text)
    assert len(files) == 126 + 54
    files += re.findall(r"(results/paper/pearson2019/limits/\w+\.h5)", text)
    files += re.findall(r"output: (results/paper/pearson2019/fits/\w+\.csv)", text)
    for file in files:
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        (copy / file).touch()
    planned = jobs(snakemake("-n", "--config", "predictions=released", "--", "all", cwd=copy))
    assert planned["scutt_fig5"] == 1 and planned["metrics"] == 6
    assert planned["pearson2019_fig14"] == 1 and planned["pearson2019_metrics"] == 34
    heavy = {"simulate", "train", "predict", "pearson2019_population", "pearson2019_images"}
    assert not (heavy | {"ridge"}) & set(planned)
    # Of scattered light the summaries of the limits are enough.
    for path in (copy / "results/paper/pearson2019/limits").glob("caustic_e*.h5"):
        path.with_suffix(".csv").touch()
        path.unlink()
    misalignment = ("--config", "predictions=released", "--", "pearson2019_limits_misalignment")
    planned = jobs(snakemake("-n", *misalignment, cwd=copy))
    assert planned["pearson2019_limits_misalignment"] == 1
    assert "pearson2019_limit_metrics" not in planned
    # The baseline is left out where it is not there, and read where it is.
    released = ("-n", "--config", "predictions=released", "--", "scutt_table1")
    assert "ridge_n" not in snakemake(*released, cwd=copy)
    (copy / "results/paper/scutt/predictions/fixed/ridge_n_seed0.h5").touch()
    text = snakemake(*released, cwd=copy)
    inputs = re.search(r"rule metrics:\n    input: (.*)", text)[1]
    assert "fixed/ridge_n_seed0.h5" in inputs and "ridge_alpha" not in inputs


# A real run, in a copy of the checkout.


TARGETS = ("scutt_fig1", "scutt_fig6")


def test_data_can_live_elsewhere_and_code_stays_here(tmp_path):
    pytest.importorskip("snakemake_storage_plugin_fs")
    if shutil.which("rsync") is None:
        pytest.skip("the storage plugin fs copies with rsync")
    copy, storage = clone(tmp_path), tmp_path / "storage"
    storage.mkdir()
    overlay(copy, "tiny", TINY)
    snakemake(
        "--cores", "2", "--default-storage-provider", "fs", "--default-storage-prefix", storage,
        *SMOKE[:1], "config/config.yaml", "tiny.yaml", "--", "paper_figures/tiny/scutt/fig2.pdf",
        cwd=copy,
    )  # fmt: skip
    assert (storage / "paper_figures/tiny/scutt/fig2.pdf").stat().st_size > 5000
    assert not (copy / "paper_figures").exists() and not (copy / "results").exists()


def arguments(copy, *extra):
    configs = ("--configfile", "config/config.yaml", "config/smoke.yaml", "tiny.yaml")
    return ("--cores", "2", *extra, *configs, "--", *TARGETS)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy in which the targets were made by a run that was killed and then run again."""
    copy = clone(tmp_path_factory.mktemp("run"))
    overlay(copy, "tiny", TINY)
    # Whose shell has another environment active than the one whose Snakemake is called.
    other = copy.parent / "other"
    other.mkdir()
    (other / "python").write_text("#!/bin/sh\nexit 1\n")
    (other / "python").chmod(0o755)
    environment = ENVIRONMENT | {"PATH": f"{other}:{ENVIRONMENT['PATH']}"}
    run = subprocess.Popen(
        ["snakemake", *arguments(copy)], cwd=copy, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    try:
        while not list(copy.glob("results/tiny/scutt/images/lowres/*/*.h5")):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert not (copy / "paper_figures/tiny/scutt/fig6.pdf").exists()
    snakemake("--unlock", *arguments(copy), cwd=copy)
    text = snakemake("--verbose", *arguments(copy), cwd=copy, environment=environment)
    (copy.parent / "run.txt").write_text(text)
    return copy


def test_a_killed_run_goes_on_to_the_end(checkout):
    for name in ("fig1.pdf", "fig1.png", "fig6.pdf", "fig6.png"):
        assert (checkout / f"paper_figures/tiny/scutt/{name}").stat().st_size > 5000
    assert not [path for path in checkout.rglob(".*.tmp") if "results" in path.parts]
    assert not list(checkout.rglob("*.checkpoint"))


def test_waiting_jobs_are_looked_at_when_a_job_ends(checkout):
    """And not over and over, which costs the more time the more jobs there are."""
    text = (checkout.parent / "run.txt").read_text()
    n_jobs, looks = text.count("Finished jobid: "), text.count("Ready jobs: ")
    assert 10 < n_jobs and looks <= n_jobs + 1


def reasons(checkout, *extra):
    return jobs(snakemake("-n", *extra, *arguments(checkout), cwd=checkout))


def test_a_second_run_does_nothing(checkout):
    assert "Nothing to be done" in snakemake("-n", *arguments(checkout), cwd=checkout)


def edited(checkout, file):
    """What an edit of a file would run, with the file put back as it was."""
    path = checkout / file
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(before + b"\n# edited\n")
    try:
        return set(reasons(checkout))
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_editing_a_physics_module_reruns_the_simulation(checkout):
    planned = edited(checkout, "src/lenscnn/lensing/isothermal.py")
    assert {"simulate", "train", "predict", "metrics", "scutt_fig6"} <= planned
    assert not {"population", "scutt_fig1"} & planned


def test_editing_the_training_loop_spares_the_lenses(checkout):
    """Their images are made again: those of a run that is complete are deleted."""
    assert not list(checkout.glob("results/tiny/scutt/images/*/*/*.h5"))
    planned = edited(checkout, "src/lenscnn/nn/train.py")
    assert {"simulate", "train", "predict", "scutt_fig6"} <= planned
    assert not {"population", "scutt_fig1"} & planned


@pytest.mark.parametrize(
    "file",
    [
        "scripts/figures/scutt_predictions.py",
        "src/lenscnn/papers/scutt/figures/predictions.py",
    ],
)
def test_editing_a_figure_reruns_that_figure_only(checkout, file):
    assert edited(checkout, file) == {"scutt_fig6"}


def test_changing_a_value_reruns_what_uses_it(checkout, tmp_path):
    path = overlay(checkout, "other", {"scutt": {"scene": {"source_sigma": 0.5}}})
    planned = jobs(
        snakemake(
            "-n", "--configfile", "config/config.yaml", "config/smoke.yaml", "tiny.yaml",
            path.name, "--", *TARGETS, cwd=checkout,
        )
    )  # fmt: skip
    assert planned["simulate"] == 3 and "population" not in planned


def test_touching_reruns_nothing_heavy(checkout):  # last: it changes the checkout
    for path in checkout.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".smk", ".yaml", ".mplstyle"):
            path.touch()
    planned = reasons(checkout)
    assert not {"population", "simulate", "train", "predict"} & set(planned)
