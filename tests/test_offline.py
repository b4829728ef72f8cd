"""scripts/offline: a slice cut short, carried home, gone on with elsewhere, unpacked.

Each copy of the checkout stands for a machine that knows nothing of the others.
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SLICE = "scutt/fixed"
NETWORKS = {"n_cnn_seed0", "alpha_cnn_seed0"}
ESTIMATES = NETWORKS | {"alpha_cnn_true_n_seed0"}
OVERLAY = {
    "scale": "tiny",
    "scutt": {
        "sets": {"n_train": 64, "n_test": 32, "n_fixed_alpha": 8, "shard_size": 100},
        "training": {"epochs": 1},
        "evaluation": {"bootstrap": 5},
    },
}
PATIENCE = 240  # seconds; on a free machine a call takes a tenth of that

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
    for name in ("workflow", "scripts", "config", "profiles", "envs", "src"):
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
    """Folder of what a call packed that was told to stop after its first training; its log."""
    folder = checkout(tmp_path_factory.mktemp("first"))
    log = folder / "log"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [folder / "scripts/offline/run_slice.sh", "out", SLICE], cwd=folder, stdout=stream,
            stderr=subprocess.STDOUT, env=environment(CORES="1"),
        )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while "(Rule: train)" not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) != 0
    return folder / "out", log.read_text()


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory, cut_short):
    """A second machine: its checkout with what came home, the slice completed there; the log."""
    folder = checkout(tmp_path_factory.mktemp("second"))
    unpacked = call(folder, "unpack.sh", *cut_short[0].iterdir())
    assert unpacked.returncode == 0, unpacked.stdout
    (folder / "scripts/train.py").touch()  # a checkout there is younger than what it brings
    done = call(folder, "run_slice.sh", folder / "out", SLICE, CORES="2")
    assert done.returncode == 0, done.stdout
    return folder, unpacked.stdout, done.stdout


def test_stopped_call_packs_the_trained_network(cut_short):
    out, log = cut_short
    (tar,) = out.iterdir()
    name = tar.name.removeprefix("scutt.fixed.").removesuffix(".tar.gz")
    assert name in NETWORKS
    assert members(tar) == {
        f"results/tiny/scutt/weights/fixed/{name}.pt",
        f"results/tiny/scutt/history/fixed/{name}.jsonl",
        f"benchmarks/tiny/scutt/train/fixed/{name}.tsv",
        f"logs/tiny/scutt/train/fixed/{name}.log",
    }
    assert f"scutt/fixed: not complete; trained so far: {name}\n" in log


def test_carried_weights_are_not_trained_again(cut_short, gone_on):
    (tar,) = cut_short[0].iterdir()
    _, unpacked, log = gone_on
    carried = tar.name.split(".")[2]
    assert f"scutt/fixed: to do, with {carried} trained" in unpacked
    assert networks_trained(log) == NETWORKS - {carried}


def test_complete_slice_is_packed_without_images(gone_on):
    folder, _, log = gone_on
    packed = members(folder / "out/scutt.fixed.tar.gz")
    assert {"results/tiny/scutt/metrics/fixed.csv"} == {n for n in packed if n.endswith(".csv")}
    for kind, names in {
        "results/tiny/scutt/predictions/fixed/{}.h5": ESTIMATES,
        "results/tiny/scutt/history/fixed/{}.jsonl": NETWORKS,
        "benchmarks/tiny/scutt/train/fixed/{}.tsv": NETWORKS,
        "benchmarks/tiny/scutt/predict/fixed/{}.tsv": ESTIMATES,
        "logs/tiny/scutt/train/fixed/{}.log": NETWORKS,
    }.items():
        assert {kind.format(name) for name in names} <= packed
    assert not [name for name in packed if name.startswith("results/tiny/scutt/images")]
    for network in NETWORKS:
        name = f"results/tiny/scutt/weights/fixed/{network}.pt"
        assert name in members(folder / f"out/scutt.fixed.{network}.tar.gz")
    assert "scutt/fixed: complete\n" in log


def test_complete_slice_is_skipped_and_limits_hold(gone_on):
    folder, *_ = gone_on
    again = call(folder, "run_slice.sh", folder / "again", SLICE, MAX_FILES="1")
    assert again.returncode == 0, again.stdout
    assert "scutt/fixed: predictions and metrics are there, skipped" in again.stdout
    assert "Building DAG" not in again.stdout
    assert [path.name for path in (folder / "again").iterdir()] == ["scutt.fixed.tar.gz"]
    small = call(folder, "run_slice.sh", folder / "small", SLICE, MAX_FILE_MIB="1")
    assert "left out scutt.fixed.alpha_cnn_seed0.tar.gz" in small.stdout
    assert [path.name for path in (folder / "small").iterdir()] == ["scutt.fixed.tar.gz"]


def test_unpack_places_files_and_refuses_to_replace(gone_on, tmp_path):
    machine, *_ = gone_on
    home = checkout(tmp_path / "home")
    tar = machine / "out/scutt.fixed.tar.gz"
    first = call(home, "unpack.sh", tar)
    assert first.returncode == 0, first.stdout
    assert "scutt/fixed: complete\n" in first.stdout
    assert "scutt_as_run/varied: to do\n" in first.stdout
    for name in members(tar):
        assert (home / name).read_bytes() == (machine / name).read_bytes()
    assert call(home, "unpack.sh", tar).returncode == 0  # the same again changes nothing

    metrics = home / "results/tiny/scutt/metrics/fixed.csv"
    theirs = metrics.read_text()
    metrics.write_text(ours := theirs + "\n")
    refused = call(home, "unpack.sh", tar)
    assert refused.returncode == 1
    assert "results/tiny/scutt/metrics/fixed.csv" in refused.stdout
    assert metrics.read_text() == ours
    assert call(home, "unpack.sh", "--force", tar).returncode == 0
    assert metrics.read_text() == theirs


def test_unpack_refuses_foreign_archives(tmp_path):
    home = checkout(tmp_path / "home")
    (tmp_path / "Snakefile").write_text("not ours")
    with tarfile.open(tmp_path / "foreign.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "Snakefile", "Snakefile")
    refused = call(home, "unpack.sh", "--force", tmp_path / "foreign.tar.gz")
    assert refused.returncode == 1
    assert "not packed by run_slice.sh" in refused.stdout
    assert (home / "Snakefile").read_text() == (ROOT / "Snakefile").read_text()


def test_malformed_slice_is_refused(tmp_path):
    home = checkout(tmp_path / "home")
    refused = call(home, "run_slice.sh", tmp_path / "out", "scutt")
    assert refused.returncode == 2
    assert "READING/VIEW" in refused.stdout
