"""Runs in another folder than the checkout's: nothing is written to that, all is found in it."""

import subprocess

import pytest
from workflows import ENVIRONMENT, clone, jobs, overlay, snakemake

MODULE = """
configfile: "smoke.yaml"

module lenscnn:
    snakefile: "{checkout}/Snakefile"
    config: config
    prefix: "lenses"

use rule * from lenscnn as lens_*
"""
ELSEWHERE = ENVIRONMENT | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("checkout"))


def files(folder):
    """All but compiled code, which goes elsewhere if it cannot be kept beside its source."""
    paths = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file()}


def test_a_workflow_of_ones_own_takes_it_as_a_module(tmp_path, checkout):
    """To the end of a figure: by a command and by a script, with files below a prefix."""
    before = files(checkout)
    (tmp_path / "Snakefile").write_text(MODULE.format(checkout=checkout))
    base, smoke = ((checkout / f"config/{name}.yaml").read_text() for name in ("config", "smoke"))
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "smoke.yaml").write_text(smoke)
    snakemake(
        "--cores", "1", "--configfile", "base.yaml", "smoke.yaml", "--", "lens_scutt_fig2",
        cwd=tmp_path, environment=ELSEWHERE,
    )  # fmt: skip
    assert (tmp_path / "lenses/paper_figures/smoke/scutt/fig2.pdf").stat().st_size > 5000
    assert (tmp_path / "lenses/logs/smoke/scutt/masses.log").read_text()
    assert files(checkout) == before


@pytest.mark.parametrize("how", ["--directory", "--snakefile"])
def test_results_can_land_in_another_folder(tmp_path, checkout, how):
    where, cwd = (
        (tmp_path, checkout) if how == "--directory" else (checkout / "Snakefile", tmp_path)
    )
    overlay(tmp_path, "mine", {"scale": "mine"})
    configs = ("--configfile", tmp_path / "mine.yaml")
    arguments = ("-n", how, where, *configs, "--", "scutt_fig2", "pearson2019_fig1")
    text = snakemake(*arguments, cwd=cwd, environment=ELSEWHERE)
    planned = jobs(text)
    assert planned["scutt_fig2"] == planned["pearson2019_selection"] == 1
    for file in ("scripts/scutt_masses.py", "config/claims.csv", "data/photometry/bc03.h5"):
        assert f"{checkout}/{file}" in text
    assert not list(tmp_path.glob("results"))


def test_in_its_own_folder_paths_are_the_same_in_every_clone(checkout):
    """Records and reasons to run again hang on them."""
    text = snakemake("-n", "scutt_fig2", cwd=checkout)
    assert "python scripts/scutt_masses.py" in text
    inputs = [line for line in text.splitlines() if line.strip().startswith("input:")]
    assert inputs and str(checkout) not in "".join(inputs)


READ_ONLY = """set -e
mount --bind . .
mount -o remount,ro,bind .
cd "$PWD"
if touch new 2> /dev/null; then exit 1; fi
"""
"""Makes the folder that one is in read-only, for this shell and what it starts."""


def run_read_only(folder, command):
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", f"{READ_ONLY}{command}"],
        cwd=folder, env=ENVIRONMENT | {"PYTHONPATH": ""}, capture_output=True, text=True,
    )  # fmt: skip


def test_a_read_only_checkout_makes_its_targets_elsewhere(tmp_path, checkout):
    """To the end of a figure, by a command and by a script."""
    try:
        allowed = run_read_only(checkout, "true").returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("nobody may mount a folder read-only here")
    options = f"--cores 1 --configfile config/smoke.yaml --directory {tmp_path}"
    done = run_read_only(checkout, f"snakemake {options} -- scutt_fig2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "paper_figures/smoke/scutt/fig2.pdf").stat().st_size > 5000
