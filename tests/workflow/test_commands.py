"""make figures, make provenance, make docs: the commands behind them."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from workflows import ENVIRONMENT, clone, jobs, snakemake

import lenscnn
from lenscnn.core import storage
from lenscnn.records import provenance

RELEASED = ("--config", "predictions=released", "--")


def script(path, *arguments):
    done = subprocess.run(
        [sys.executable, path, *arguments], cwd=ROOT, capture_output=True,
        text=True, env=ENVIRONMENT | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_targets_are_those_of_any_config(tmp_path):
    (tmp_path / "mine.yaml").write_text("scale: mine\npearson2019: {study: {cameras: [vis]}}\n")
    mine = tmp_path / "mine.yaml"
    code, text = script("tools/targets.py", "config/config.yaml", "config/smoke.yaml", mine)
    assert code == 0, text
    assert f"--configfile config/config.yaml config/smoke.yaml {mine} -- TARGET\n" in text
    lines = {line.split(" ")[0]: line for line in text.splitlines() if line}
    assert lines["scutt_fig5"].endswith("paper_figures/mine/scutt/fig5.pdf")
    table = "Study: errors of all networks .* no .* paper_figures/mine/pearson2019/study_table.csv"
    assert re.search(table, lines["pearson2019_study_table"])
    assert lines["Several"].endswith("pearson2019, pearson2019_study")


def test_targets_of_a_bad_config_are_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("pearson2019: {study: {cameras: [hst]}}\n")
    code, text = script("tools/targets.py", tmp_path / "mine.yaml")
    assert code == 1 and text.startswith("config key pearson2019.study.cameras: 'hst' is none of")


def test_numbers_that_the_documents_take_from_no_table_can_be_computed():
    """To the last of them, as the documents have them."""
    code, text = script("tools/readme_numbers.py", "results/paper")
    assert code == 0, text
    assert 'euclid to 2.5": 81 of 10000, 0.031"' in text and "z = 4: -2.2 mag" in text
    reasons = (ROOT / "docs/explanation/pearson2019.md").read_text()
    assert "by 0.5 mag at z = 1 and 2.2 at z = 4" in reasons and "| 0.031" in reasons


@pytest.mark.parametrize("name", ["workflow.md", "results.md", "limits.md"])
def test_graph_and_claims_in_the_documents_are_the_projects(tmp_path, name):
    copy = Path(shutil.copy(ROOT / "docs" / name, tmp_path))
    assert script("tools/documents.py", copy) == (0, "")
    assert copy.read_text() == (ROOT / "docs" / name).read_text(), "make docs"


def test_a_document_without_marks_is_refused(tmp_path):
    (tmp_path / "plain.md").write_text("hello\n")
    code, text = script("tools/documents.py", tmp_path / "plain.md")
    assert code == 1 and "plain.md has no lines" in text
    assert (tmp_path / "plain.md").read_text() == "hello\n"


def test_one_version_is_told_everywhere():
    """That of the package, which pyproject.toml takes; the tag tells Zenodo."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    described = json.loads((ROOT / "codemeta.json").read_text())
    assert citation["version"] == described["version"] == lenscnn.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "lenscnn.__version__"}
    assert "version" not in project["project"] | json.loads((ROOT / ".zenodo.json").read_text())
    changes = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert changes[0] == lenscnn.__version__, "the newest changes are those of this version"


def test_the_container_has_the_environment_of_make():
    """Its Python is the oldest that the project takes, which the tests on GitHub have, too."""
    recipe, makefile = (ROOT / "Containerfile").read_text(), (ROOT / "Makefile").read_text()
    python = re.search(r"^FROM docker.io/library/python:([\d.]+)-slim", recipe, re.M)[1]
    oldest = re.search(r"sys.version_info < \((\d+), (\d+)\)", makefile).groups()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert python == ".".join(oldest) == project["requires-python"].removeprefix(">=")
    checks = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text())["jobs"]
    assert checks["everything"]["steps"][1]["with"]["python-version"] == python
    packages = re.findall(r"pip install .*-r (\S+)", recipe)
    assert packages == re.findall(r"^\$\(ENV\): (\S+)$", makefile, re.M)
    assert packages[0] in re.findall(r"pip install .*-r (\S+)", makefile)
    assert f"COPY {packages[0]} " in recipe.partition("RUN pip")[0]
    words = [json.loads(line) for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", recipe, re.M)]
    smoke = makefile.replace("$(CORES)", "all").replace(" --quiet rules", "")
    assert f"\t{' '.join(sum(words, []))}\n" in smoke


def test_figures_draws_what_it_can(tmp_path):
    copy = clone(tmp_path)
    for estimate in ("n_cnn", "alpha_cnn", "alpha_cnn_true_n"):
        path = copy / f"results/paper/scutt/predictions/fixed/{estimate}_seed0.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    text = snakemake("-n", *RELEASED, "figures", cwd=copy)
    planned = jobs(text)
    assert planned["scutt_fig5"] == planned["scutt_table1"] == planned["metrics"] == 1
    assert planned["pearson2019_fig5"] == planned["scutt_fig1"] == 1
    assert not {"scutt_fig6", "scutt_as_run_fig5", "pearson2019_fig1", "train"} & set(planned)
    assert "left out, for want of files: paper_figures/paper/scutt/fig6.pdf, " in text
    assert "scutt/fig5.pdf" not in text.partition("left out")[2].partition("\n")[0]


def test_table1_the_ledger_and_provenance_show_what_there_is(tmp_path):
    copy = clone(tmp_path)
    path = copy / "results/paper/pearson2019/predictions/vis_removed/vis_removed_seed0.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    text = snakemake("-n", *RELEASED, "figures", cwd=copy)
    planned = jobs(text)
    assert planned["pearson2019_table1"] == planned["pearson2019_metrics"] == 1
    assert planned["claims"] == planned["provenance_table"] == 1
    left_out = text.partition("left out")[2].partition("\n")[0]
    for figure in ("fig7", "fig8", "fig10", "fig12", "fig13", "fig14"):  # more than one network
        assert f"pearson2019/{figure}.pdf" in left_out and f"pearson2019_{figure}" not in planned


def test_figures_keeps_what_it_cannot_draw_again(tmp_path):
    copy = clone(tmp_path)
    kept = copy / "paper_figures/paper/pearson2019/fig6.png"
    for path in (kept, kept.with_suffix(".pdf")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    text = snakemake("-n", *RELEASED, "figures", cwd=copy)
    assert "pearson2019_fig6" not in jobs(text)
    assert "fig6" not in text.partition("left out")[2].partition("pearson2019/fig7")[0][-40:]


def test_released_predictions_of_other_settings_are_refused(tmp_path):
    """Figures would say of them what the config says."""
    copy = clone(tmp_path)
    path = copy / "results/paper/scutt/predictions/fixed/n_cnn_seed0.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    made_with = {"training": {"epochs": 99, "network": {"dense": 512}}}
    storage.write_h5(path, {"x": np.arange(3)}, provenance.collect(made_with, []))
    text = snakemake("-n", *RELEASED, "scutt_fig5", cwd=copy, check=False)
    assert "fixed/n_cnn_seed0.h5 was made with other settings: epochs is 99 there, 100" in text
    path.rename(path.with_name("ridge_n_seed0.h5"))
    text = snakemake("-n", *RELEASED, "scutt_fig5", cwd=copy, check=False)
    assert "ridge_n_seed0.h5 was made with other settings" not in text  # a regression has no epochs
    made_with = {"training": {"validation_fraction": 0.2}}
    storage.write_h5(
        path.with_name("ridge_n_seed0.h5"), {"x": np.arange(3)}, provenance.collect(made_with, [])
    )
    text = snakemake("-n", *RELEASED, "scutt_fig5", cwd=copy, check=False)
    assert "ridge_n_seed0.h5 was made with other settings: validation_fraction is 0.2" in text
    path.with_name("ridge_n_seed0.h5").unlink()
    # A setting that was not known then: it was made as if it had been what it is by default.
    storage.write_h5(
        path, {"x": np.arange(3)}, provenance.collect({"training": {"epochs": 100}}, [])
    )
    text = snakemake("-n", *RELEASED, "scutt_fig5", cwd=copy, check=False)
    assert "other settings" not in text and "alpha_cnn_seed0.h5" in text  # not there
    # Of test images, where the file says what they were.
    images = {"training": {"epochs": 100}, "images": {"view": {"n_pix": 57}}}
    storage.write_h5(path, {"x": np.arange(3)}, provenance.collect(images, []))
    text = snakemake("-n", *RELEASED, "scutt_fig5", cwd=copy, check=False)
    assert "made with other settings: test view.n_pix is 57 there, 60 in the config" in text
    storage.write_h5(
        path, {"x": np.arange(3)}, provenance.collect({"training": {"epochs": 100}}, [])
    )
    config = copy / "config/config.yaml"
    config.write_text(config.read_text().replace("normalise: image", "normalise: band"))
    text = snakemake("-n", *RELEASED, "scutt_fig5", cwd=copy, check=False)
    assert "n_cnn_seed0.h5 was made with other settings: normalise is image there, band" in text


def test_a_population_that_is_detected_otherwise_is_refused(tmp_path):
    """By a criterion that is younger than the committed predictions."""
    copy = clone(tmp_path)
    made = "results/paper/pearson2019/predictions/vis_removed/vis_removed_seed0.h5"
    (copy / made).parent.mkdir(parents=True)
    shutil.copy(ROOT / made, copy / made)
    config = copy / "config/config.yaml"
    config.write_text(config.read_text().replace("pixels: bright", "pixels: all"))
    text = snakemake("-n", *RELEASED, "pearson2019_fig7", cwd=copy, check=False)
    assert "criteria.pixels is bright there, all in the config" in text


def test_provenance_of_a_committed_figure():
    """A verdict and some lines of grounds, which know the settings that are younger than it."""
    figure = "paper_figures/paper/scutt/fig5.png"
    code, text = script("scripts/provenance.py", "-v", figure)
    assert code == 0, text
    tree, grounds = text.split(f"\n\n{figure}: unknown: ")
    assert tree.startswith(f"{figure}  [scutt_fig5; no record")
    assert "results/paper/scutt/predictions/fixed/n_cnn_seed0.h5  [predict; A]" in tree
    assert 3 < len(grounds.splitlines()) < 25
    assert "harmless: " in grounds and "changes numbers" not in grounds and "seeds: " in grounds


def test_provenance_of_no_product_is_refused(tmp_path):
    code, text = script("scripts/provenance.py", "paper_figures/paper/scutt/fig99.png")
    assert code == 1 and text == (
        "error: there is no file paper_figures/paper/scutt/fig99.png in this project\n"
    )
    assert script("scripts/provenance.py", tmp_path)[0] == 1
    code, text = script("scripts/provenance.py", "README.md")
    assert code == 1 and "No rule to produce README.md" in text


def histories(folder, losses, name="scutt/history/fixed/n_cnn"):
    """Trainings of two epochs, the first the better; RMSE ten times the loss."""
    for seed, loss in enumerate(losses):
        path = folder / f"{name}_seed{seed}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        epochs = [
            {"validation_loss": one, "validation_rmse": {"N": 10 * one}, "images_per_second": 1e3}
            for one in (loss, loss + 1)
        ]
        path.write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))


def compare_trainings(*folders):
    return script("tools/compare_trainings.py", *folders)


def test_trainings_are_compared_by_their_best_epochs(tmp_path):
    histories(tmp_path / "a", [1, 2, 3])
    histories(tmp_path / "b", [2, 3, 4])
    histories(tmp_path / "b", [1], "scutt/history/varied/n_cnn")  # of which there is only one
    code, text = compare_trainings(tmp_path / "a", tmp_path / "b")
    assert code == 0
    _, _, first, second = text.splitlines()
    assert f"| {tmp_path / 'a'} | 3 | 2 | 20 +- 10 |  | 1,000 |" in first
    # Standard error of a difference of means of three each: 10 sqrt(2 / 3).
    assert f"| {tmp_path / 'b'} | 3 | 2 | 30 +- 10 | 10 +- 8.2 | 1,000 |" in second


def test_trainings_that_cannot_be_compared_are_refused(tmp_path):
    histories(tmp_path / "a", [1])
    histories(tmp_path / "b", [1], "scutt/history/varied/n_cnn")
    assert compare_trainings(tmp_path / "a", tmp_path)[1].startswith("error: no histories")
    assert "no network in common" in compare_trainings(tmp_path / "a", tmp_path / "b")[1]
    (tmp_path / "b/scutt/history/varied/n_cnn_seed1.jsonl").write_text("{cut sho")
    code, text = compare_trainings(tmp_path / "a", tmp_path / "b")
    assert code == 1 and "n_cnn_seed1.jsonl is no history" in text


def test_neither_locale_nor_notebook_reaches_a_step(tmp_path):
    """Text is UTF-8 whatever the locale, figures go to files whatever a notebook draws on."""
    copy = clone(tmp_path)
    for folder in ("results/paper", "paper_figures/paper"):
        large = shutil.ignore_patterns("images", "weights", "examples")
        shutil.copytree(ROOT / folder, copy / folder, ignore=large)
    targets = [
        f"paper_figures/paper/{name}" for name in ("claims.md", "claims.csv", "scutt/fig6.png")
    ]
    for target in targets:
        (copy / target).unlink()
    environment = ENVIRONMENT | {
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }  # fmt: skip
    command = ["snakemake", "--cores", "1", *RELEASED]
    done = subprocess.run([*command, *targets], cwd=copy, env=environment, capture_output=True)
    logs = [path.read_text(errors="replace") for path in (copy / "logs").rglob("*.log")]
    assert done.returncode == 0, (done.stderr.decode(errors="replace"), *logs)
    for target in targets:
        assert (copy / target).read_bytes() == (ROOT / target).read_bytes(), target


def test_check_says_what_is_wrong_and_what_is_right(tmp_path):
    (tmp_path / "mine.yaml").write_text("sclae: mine\n")
    code, text = script("tools/check.py", tmp_path / "mine.yaml")
    lines = {line.split()[1]: line for line in text.splitlines()}
    assert code == 1 and lines["config"].endswith("there is no such key; did you mean scale?")
    assert [line.split()[0] for line in text.splitlines()].count("BAD") == 1
    assert "torch" in lines["device"] and "GB free" in lines["disk"]


def test_targets_are_listed_with_what_they_take(monkeypatch):
    """Of a job that has no record, nobody says how long it takes."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    monkeypatch.chdir(ROOT)
    import targets

    makers = {
        "fig": {"input": "metrics, other", "output": "fig"},
        "metrics": {"input": "a.h5, b.h5", "output": "metrics"},
        "a.h5": {"output": "a.h5", "benchmark": "benchmarks/quick/scutt/predict/fixed/a.tsv"},
        "b.h5": {
            "input": "a.h5", "output": "b.h5", "benchmark": "benchmarks/quick/scutt/train/b.tsv",
        },
    }  # fmt: skip
    times = {("scutt", "predict", "fixed/a"): 100.0, ("scutt", "train", "b"): 500.0}
    assert targets.seconds(["fig", "fig"], makers, times) == (600.0, True)
    assert targets.in_words(600.0, True) == "10 min"
    del times["scutt", "train", "b"]
    assert targets.in_words(*targets.seconds(["fig"], makers, times)) == "more than 2 min"
    assert targets.recorded("paper")["scutt", "train", "fixed/n_cnn_seed0"] > 60
