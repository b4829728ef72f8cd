"""What a person sees who made a mistake, or whose job failed."""

import pytest
import torch
from workflows import ENVIRONMENT, clone, overlay, snakemake


def test_a_failed_jobs_own_message_is_the_last_on_the_screen(tmp_path):
    """Of a job whose rule is a command, and of one whose rule is a script."""
    copy = clone(tmp_path)
    library = {"photometry": {"sed_library": "/nowhere"}}
    overlay(copy, "mine", {"scale": "mine", "pearson2019": library})
    text = snakemake(
        "--cores", "1", "--keep-going", "--quiet", "rules", "--configfile", "mine.yaml", "--",
        "results/mine/pearson2019/photometry.h5", "runtime_table", cwd=copy, check=False,
    )  # fmt: skip
    end = text.partition("2 jobs failed.")[2]
    for rule, log, message in (
        ("pearson2019_photometry", "pearson2019/photometry", "error: /nowhere"),
        ("runtime_table", "runtime_table", "ValueError: no step of this scale has run here"),
    ):
        shown = end.partition(f"\nrule {rule} (")[2].partition("\n\n")[0].rstrip().splitlines()
        assert shown[1] == f"log: logs/mine/{log}.log, which ends"
        assert shown[-1].strip().startswith(message), text


def test_mistakes_of_the_command_line_are_a_line_each():
    """Of what Snakemake reads before the Snakefile."""
    for mistake, message in (
        (["--configfile", "config/qick.yaml", "--", "all"], "error: there is no config file"),
        (["--config", "device=cpu", "scutt_fig4"], "error: scutt_fig4 is no KEY=VALUE"),
    ):
        lines = snakemake("-n", *mistake, check=False).splitlines()
        assert len(lines) == 2 and lines[1].startswith(message), lines


def test_what_must_fail_is_refused_before_any_job(tmp_path):
    """A device that is not there, torch that does not import, a disk that is too small."""
    copy = clone(tmp_path)
    huge = {"n_train": 10**12, "shard_size": 10**12}
    overlay(copy, "huge", {"scale": "huge", "device": "cpu", "scutt": {"sets": huge}})
    overlay(copy, "small", {"scutt": {"sets": {"n_train": 40, "shard_size": 40}}})
    target = "results/huge/scutt/images/fixed/train/shard_0.h5"
    small = ("--configfile", "huge.yaml", "small.yaml")

    def run(*arguments, **changes):
        options = ("--cores", "1", *arguments, "--", target)
        text = snakemake(*options, cwd=copy, check=False, environment=ENVIRONMENT | changes)
        assert not (copy / "results").exists() and "Traceback" not in text
        return text

    # 60 x 60 pixels of 4 bytes.
    assert "the images of this run take 14400000.0 GB, and " in run("--configfile", "huge.yaml")
    if not torch.cuda.is_available():
        assert "config key `device` is 'cuda', but torch" in run(*small, "--config", "device=cuda")
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: no such file')\n")
    text = run(*small, PYTHONPATH=str(tmp_path))
    assert "python cannot use torch (ImportError: libcudart.so.13: no such file)" in text


def test_missing_predictions_are_said_to_be_made_by_nothing_where_they_are_released(tmp_path):
    path = overlay(tmp_path, "mine", {"scale": "mine"})
    options = ("--configfile", "config/config.yaml", path, "--config", "predictions=released")
    text = snakemake("-n", *options, "--", "pearson2019_fig7", check=False)
    assert "results/mine/pearson2019/predictions/vis_removed/" in text
    assert "\nWith `predictions: released` nothing makes what is missing at scale mine" in text


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("pearson2019_figure7", ": near are pearson2019_fig7, "),
        ("pearson2019_study", ": the config has no study. Name the cameras of one in "),
        (
            "paper_figures/smoke/pearson2019/study_table.csv",
            ": the config has no study. Name the cameras of one in ",
        ),
        (
            "paper_figures/quick/scutt/fig5.pdf",
            ": the scale is smoke, with paper_figures/smoke/scutt/fig5.pdf. Scale quick takes "
            "--configfile config/quick.yaml",
        ),
        (
            "results/smoke/pearson2019/images/vis_bright/train.h5",
            ": near are results/smoke/pearson2019/images/vis_bright/test.h5, ",
        ),
        (
            "results/smoke/pearson2019/weights/vis_bright/cnn_seed0.pt",
            ": near are results/smoke/pearson2019/weights/vis_fitted/cnn_seed0.pt, ",
        ),
        # What rules could make if the names in their paths were those of one paper.
        (
            "results/smoke/scutt/weights/vis_removed/n_cnn_seed0.pt",
            ": near are results/smoke/scutt/weights/varied/n_cnn_seed0.pt, ",
        ),
        (
            "results/smoke/pearson2019/weights/vis_removed/n_cnn_seed0.pt",
            ": near are results/smoke/pearson2019/weights/vis_removed/cnn_seed0.pt. ",
        ),
        (
            "results/smoke/pearson2019/population/euclid/train/shard_99.h5",
            ": near are results/smoke/pearson2019/population/euclid/train/shard_0.h5. ",
        ),
    ],
)
def test_near_targets_are_named_where_there_is_none(target, advice):
    text = snakemake("-n", "--configfile", "config/smoke.yaml", "--", target, check=False)
    assert f"There is no target {target}{advice}" in text and "Traceback" not in text
