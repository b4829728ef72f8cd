"""scripts/offline: slices cut short, carried home, gone on with elsewhere, unpacked.

Each copy of the checkout stands for a machine that knows nothing of the others.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SLICES = ("pearson2019/caustic_e12_phi0", "scutt/fixed")
NETWORKS = {"n_cnn_seed0", "alpha_cnn_seed0"}  # of scutt/fixed
ESTIMATES = {f"fixed/{name}" for name in NETWORKS | {"alpha_cnn_true_n_seed0"}}
PEARSON_ESTIMATES = {f"caustic_{view}/caustic_e12_phi0_seed0" for view in ("e0_phi0", "e12_phi0")}
CATALOGUES = {
    f"results/tiny/pearson2019/population/{sample}/test/shard_0.h5"
    for sample in ("euclid", "lsst", "euclid_literal", "lsst_literal")
}
OVERLAY = {
    "scale": "tiny",
    "scutt": {
        "sets": {"n_train": 64, "n_test": 32, "n_fixed_alpha": 8, "shard_size": 100},
        "training": {"epochs": 1},
        "evaluation": {"bootstrap": 5},
    },
    "pearson2019": {
        "samples": {"euclid_caustic": {"n_train": 32, "n_test": 8}},
        "misalignment": {"e": {"train": [0, 0.12], "test": [0, 0.12]}},
        "lenses_per_job": 10000,
        "training": {"epochs": 1},
    },
}
PATIENCE = 480  # seconds; on a free machine a call takes a tenth of that

pytest.importorskip("snakemake")


def without_network() -> list[str]:
    """Prefix of a command that takes the network away, where the system lets us."""
    unshare = ["unshare", "--map-root-user", "--net"]
    try:
        allowed = subprocess.run([*unshare, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    return unshare if allowed else []


def checkout(folder: Path) -> Path:
    """A fresh copy of what is under version control and the scripts need, with the overlay."""
    for name in ("workflow", "scripts", "config", "profiles", "envs", "src", "data"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "Snakefile", folder)
    (folder / "config/tiny.yaml").write_text(yaml.safe_dump(OVERLAY))
    return folder


def environment(**settings: str) -> dict[str, str]:
    # The current Python has Snakemake; there are no wheels in a copy.
    fixed = {"CONFIG": "config/tiny.yaml", "DEVICE": "cpu", "PYTHON": sys.executable}
    return os.environ | fixed | settings


def call(folder: Path, script: str, *arguments, **settings) -> subprocess.CompletedProcess:
    command = [folder / "scripts/offline" / script, *arguments]
    prefix = without_network() if script == "run_slice.sh" else []
    return subprocess.run(
        [*prefix, *command], env=environment(**settings), timeout=PATIENCE, cwd=folder,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def networks_trained(log: str) -> set[str]:
    """Networks that Snakemake set out to train, by its log."""
    outputs = [line.split()[1] for line in log.splitlines() if line.startswith("    output: ")]
    return {Path(name.rstrip(",")).stem for name in outputs if ".pt" in name}


def members(tar: Path) -> set[str]:
    with tarfile.open(tar) as archive:
        return set(archive.getnames())


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory):
    """Folder of what a call packed that was told to stop after its second training; its log.

    One job at a time, the first slice first: by then that one is complete.
    """
    folder = checkout(tmp_path_factory.mktemp("first"))
    log = folder / "log"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [folder / "scripts/offline/run_slice.sh", "out", *SLICES], cwd=folder, stdout=stream,
            stderr=subprocess.STDOUT, env=environment(CORES="1"),
        )  # fmt: skip
    end = time.monotonic() + PATIENCE
    try:
        while log.read_text().count("(Rule: train)") < 2:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        time.sleep(1)  # a signal between two jobs would let the next one be run to its end
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) != 0
    return folder / "out", log.read_text()


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory, cut_short):
    """A second machine: its checkout with weights that came home, the slices completed; the log."""
    folder = checkout(tmp_path_factory.mktemp("second"))
    unpacked = call(folder, "unpack.sh", *cut_short[0].glob("*.*.*.tar.gz"))
    assert unpacked.returncode == 0, unpacked.stdout
    for name in ("train", "pearson2019_images"):
        (folder / f"scripts/{name}.py").touch()  # a checkout there is younger than what it brings
    done = call(folder, "run_slice.sh", folder / "out", *SLICES, CORES="2")
    assert done.returncode == 0, done.stdout
    return folder, unpacked.stdout, done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory, gone_on):
    """A checkout with the results of the second machine; what unpacking said."""
    folder = checkout(tmp_path_factory.mktemp("home"))
    tars = [gone_on[0] / f"out/{name.replace('/', '.')}.tar.gz" for name in SLICES]
    return folder, call(folder, "unpack.sh", *tars)


def scutt_network(cut_short) -> str:
    """The network of scutt/fixed that the first call trained."""
    (tar,) = cut_short[0].glob("scutt.*")
    return tar.name.removeprefix("scutt.fixed.").removesuffix(".tar.gz")


def test_stopped_call_packs_what_is_complete_and_the_trained_network(cut_short):
    out, log = cut_short
    name = scutt_network(cut_short)
    assert name in NETWORKS
    assert {tar.name for tar in out.iterdir()} == {
        "pearson2019.caustic_e12_phi0.tar.gz",
        "pearson2019.caustic_e12_phi0.cnn_seed0.tar.gz",
        f"scutt.fixed.{name}.tar.gz",
    }  # fmt: skip
    assert members(out / f"scutt.fixed.{name}.tar.gz") == {
        f"results/tiny/scutt/weights/fixed/{name}.pt",
        f"results/tiny/scutt/history/fixed/{name}.jsonl",
        f"benchmarks/tiny/scutt/train/fixed/{name}.tsv",
        f"logs/tiny/scutt/train/fixed/{name}.log",
    }
    assert "pearson2019/caustic_e12_phi0: complete\n" in log
    assert f"scutt/fixed: not complete; trained so far: {name}\n" in log


def test_carried_weights_are_not_trained_again(cut_short, gone_on):
    _, unpacked, log = gone_on
    carried = scutt_network(cut_short)
    assert f"scutt/fixed: to do, with {carried} trained" in unpacked
    assert "pearson2019/caustic_e12_phi0: to do, with cnn_seed0 trained" in unpacked
    assert networks_trained(log) == NETWORKS - {carried}
    assert "images/caustic_e12_phi0/test.h5" in log
    assert "images/caustic_e12_phi0/train.h5" not in log  # nothing is trained on them


def test_complete_slices_are_packed_without_images(gone_on):
    folder, _, log = gone_on
    for name, estimates, networks in (
        ("scutt/fixed", ESTIMATES, NETWORKS),
        ("pearson2019/caustic_e12_phi0", PEARSON_ESTIMATES, {"cnn_seed0"}),
    ):
        paper, view = name.split("/")
        packed = members(folder / f"out/{paper}.{view}.tar.gz")
        for kind, names in {
            "results/tiny/{}/predictions/{}.h5": estimates,
            "benchmarks/tiny/{}/predict/{}.tsv": estimates,
            "logs/tiny/{}/predict/{}.log": estimates,
            "results/tiny/{}/history/{}.jsonl": {f"{view}/{network}" for network in networks},
            "benchmarks/tiny/{}/train/{}.tsv": {f"{view}/{network}" for network in networks},
            "logs/tiny/{}/train/{}.log": {f"{view}/{network}" for network in networks},
        }.items():
            assert {kind.format(paper, name) for name in names} <= packed
        assert {path.split("/")[3] for path in packed if path.startswith("results")} == {
            "predictions", "history", *(["metrics"] if paper == "scutt" else []),
        }  # fmt: skip
        for network in networks:
            weights = f"results/tiny/{paper}/weights/{view}/{network}.pt"
            assert weights in members(folder / f"out/{paper}.{view}.{network}.tar.gz")
        assert f"{name}: complete\n" in log


def test_catalogues_that_were_brought_along_are_not_drawn_again(tmp_path, gone_on):
    folder = checkout(tmp_path / "third")
    brought = "results/tiny/scutt/population"
    shutil.copytree(gone_on[0] / brought, folder / brought)
    for code in folder.rglob("*.py"):
        code.touch()  # a checkout there is younger than what it brings
    done = call(folder, "run_slice.sh", folder / "out", "scutt/fixed", CORES="2")
    assert done.returncode == 0, done.stdout
    rules = re.findall(r"\(Rule: (\w+)\)", done.stdout)
    assert "simulate" in rules and "population" not in rules


def test_complete_slices_are_skipped_and_limits_hold(gone_on):
    folder, *_ = gone_on
    again = call(
        folder, "run_slice.sh", folder / "again", *SLICES[::-1], MAX_FILE_MIB="1", MAX_FILES="1"
    )
    assert again.returncode == 0, again.stdout
    assert "scutt/fixed: all is there, skipped" in again.stdout
    assert "Building DAG" not in again.stdout
    assert [path.name for path in (folder / "again").iterdir()] == ["scutt.fixed.tar.gz"]
    for name, why in (
        ("pearson2019.caustic_e12_phi0", "1 files are packed"),
        ("scutt.fixed.alpha_cnn_seed0", "more than 1 MiB"),
    ):
        assert re.search(rf"left out {name}.tar.gz \(\d+ KiB\): {why}", again.stdout)


def test_a_service_for_sharing_that_does_not_run_is_stopped_and_done_without(tmp_path):
    """As with NVIDIA's programs and no GPU; a service of somebody else is left alone."""
    folder, calls = checkout(tmp_path / "machine"), tmp_path / "calls"
    control = tmp_path / "nvidia-cuda-mps-control"
    control.write_text(
        '#!/bin/sh\n[ "$*" = -d ] || read -r word\n'
        f'echo "$*$word ${{CUDA_MPS_PIPE_DIRECTORY:-nowhere}}" >> {calls}\n'
    )
    control.chmod(0o755)
    settings = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "DEVICE": "auto", "CUDA_VISIBLE_DEVICES": "",
        "MINUTES": "0",
    }  # fmt: skip
    done = call(folder, "run_slice.sh", tmp_path / "out", "scutt/fixed", **settings)
    assert "multi-process service does not run; the GPU is shared in turns" in done.stdout
    said = [line.split() for line in calls.read_text().splitlines()]
    assert [word for word, _ in said] == ["-d", "quit"]
    assert said[0][1] == said[1][1] != "nowhere"

    theirs = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    call(folder, "run_slice.sh", tmp_path / "out", "scutt/fixed", **settings | theirs)
    assert len(calls.read_text().splitlines()) == 2


def test_unpack_places_files_and_refuses_to_replace(gone_on, home):
    machine, (folder, first) = gone_on[0], home
    assert first.returncode == 0, first.stdout
    assert "scutt/fixed: complete\n" in first.stdout
    assert "pearson2019/caustic_e12_phi0: complete\n" in first.stdout
    assert "scutt_as_run/varied: to do\n" in first.stdout
    tar = machine / "out/scutt.fixed.tar.gz"
    for name in members(tar):
        assert (folder / name).read_bytes() == (machine / name).read_bytes()
    assert call(folder, "unpack.sh", tar).returncode == 0  # the same again changes nothing

    metrics = folder / "results/tiny/scutt/metrics/fixed.csv"
    theirs = metrics.read_text()
    metrics.write_text(ours := theirs + "\n")
    refused = call(folder, "unpack.sh", tar)
    assert refused.returncode == 1
    assert "results/tiny/scutt/metrics/fixed.csv" in refused.stdout
    assert metrics.read_text() == ours
    assert call(folder, "unpack.sh", "--force", tar).returncode == 0
    assert metrics.read_text() == theirs


def test_catalogues_are_a_slice_and_figures_ask_for_nothing_else(gone_on, home, tmp_path):
    """Its files are stand-ins: what they hold is not looked at."""
    machine, folder = gone_on[0], home[0]
    for name in CATALOGUES:
        (machine / name).parent.mkdir(parents=True, exist_ok=True)
        (machine / name).write_text("a catalogue")
    packed = call(machine, "run_slice.sh", tmp_path, "pearson2019/population")
    assert packed.returncode == 0, packed.stdout
    (tar,) = tmp_path.iterdir()
    assert members(tar) == CATALOGUES
    subprocess.run(["tar", "-xzf", tar, "-C", folder], check=True)
    planned = subprocess.run(
        [
            sys.executable, "-m", "snakemake", "-n", "--configfile", "config/tiny.yaml",
            "--config", "predictions=released", "--",
            *(f"pearson2019_fig{k}" for k in range(1, 5)),
        ],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stdout
    assert "pearson2019_population" not in planned.stdout


def test_unpack_refuses_foreign_archives(tmp_path):
    home = checkout(tmp_path / "home")
    (tmp_path / "Snakefile").write_text("not ours")
    with tarfile.open(tmp_path / "foreign.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "Snakefile", "Snakefile")
    refused = call(home, "unpack.sh", "--force", tmp_path / "foreign.tar.gz")
    assert refused.returncode == 1
    assert "not packed by run_slice.sh" in refused.stdout
    assert (home / "Snakefile").read_text() == (ROOT / "Snakefile").read_text()


def test_unknown_slices_are_refused(tmp_path):
    home = checkout(tmp_path / "home")
    refused = call(home, "run_slice.sh", tmp_path / "out", "scutt")
    assert refused.returncode == 2
    assert "PAPER/VIEW" in refused.stdout
    refused = call(home, "run_slice.sh", tmp_path / "out", "pearson2019/vis_fitted")
    assert refused.returncode == 2
    assert "no slice 'pearson2019/vis_fitted'" in refused.stdout
    assert " pearson2019/vis_removed " in refused.stdout


@pytest.mark.parametrize("written", ["mine", '"mine"', "'mine' # of my own"])
def test_the_name_of_a_scale_may_be_quoted(tmp_path, written):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(f"scale: {written}\n")
    script = f"source {ROOT}/scripts/offline/common.sh; echo $SCALE"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=os.environ | {"CONFIG": str(overlay)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "mine", done.stderr
