"""Random faults in a small run of both papers.

Whatever happens to a run, it ends with the result of an undisturbed one, byte for byte on one
machine, or with an error that names the file; once that file is deleted, the next run ends well.

    make test-faults FAULTS=50   # of each kind
"""

import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import pytest
from workflows import ENVIRONMENT, clone, overlay

FAULTS = int(os.environ.get("LENSCNN_FAULTS", "1"))
FIRST_SEED = int(os.environ.get("LENSCNN_FAULTS_SEED", "1"))

TARGETS = (
    "results/tiny/scutt/metrics/fixed.csv",
    "results/tiny/pearson2019/predictions/vis_removed/vis_removed_seed0.h5",
)
TINY = {
    "scale": "tiny",
    "device": "cpu",
    "scutt": {
        "sets": {"n_train": 96, "n_test": 40, "n_fixed_alpha": 8, "shard_size": 64},
        "training": {"epochs": 2},
        "evaluation": {"bootstrap": 5},
    },
    "pearson2019": {
        "samples": {"euclid": {"n_train": 40, "n_test": 24}},
        "lenses_per_job": 20,
        "training": {"epochs": 2},
        "evaluation": {"bootstrap": 5},
    },
}
STAGES = ("population", "images", "weights", "predictions", "metrics")
REFUSES_LOCKS = """
#include <errno.h>
int flock(int fd, int operation) { errno = ENOLCK; return -1; }
"""


def command(*options):
    configs = ("config/config.yaml", "config/smoke.yaml", "tiny.yaml")
    options = ("--cores", "2", "--rerun-incomplete", "--keep-going", *options)
    return ["snakemake", *options, "--configfile", *configs, "--", *TARGETS]


def run(copy, *options, environment=None, limit=None):
    """Run to the end; the exit status, the screen's text, and the lines of it and of all logs."""

    def starve():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does: an error, and no signal
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    shutil.rmtree(copy / "logs", ignore_errors=True)
    done = subprocess.run(
        command(*options), cwd=copy, env=ENVIRONMENT | (environment or {}), text=True, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=starve if limit else None,
    )  # fmt: skip
    logs = [path.read_text(errors="replace") for path in sorted(copy.rglob("logs/**/*.log"))]
    return done.returncode, done.stdout, "\n".join([done.stdout, *logs]).splitlines()


def results(copy):
    """Contents of what is made, by path; weights by what they hold are in the predictions."""
    folder = copy / "results/tiny"
    files = [path for path in folder.rglob("*") if path.suffix in (".h5", ".csv")]
    return {path.relative_to(copy): path.read_bytes() for path in sorted(files)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    copy = clone(tmp_path_factory.mktemp("faults"))
    overlay(copy, "tiny", TINY)
    status, said, log = run(copy)
    assert status == 0, (said, log)
    return copy, results(copy)


@pytest.fixture
def refuses_locks(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source, library = tmp_path / "locks.c", tmp_path / "locks.so"
    source.write_text(REFUSES_LOCKS)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    assert ctypes.CDLL(library).flock(0, 0) == -1
    return {"LD_PRELOAD": str(library)}


def truncated(content, rng, others):
    return content[: rng.randrange(len(content))]


def zeroed(content, rng, others):
    size = min(len(content) // 2, 65536)
    start = rng.randrange(len(content) - size)
    return content[:start] + bytes(size) + content[start + size :]


def flipped(content, rng, others):
    place = rng.randrange(len(content))
    return (
        content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]
    )


def swapped(content, rng, others):
    return rng.choice(others).read_bytes()


def damage(copy, rng):
    """Damage a file behind the targets, so that its age does not tell; the file.

    What was made of it is deleted, so that it is read again.
    """
    kind = rng.choice([truncated, zeroed, flipped, swapped])
    stage = rng.choice(STAGES[:-1])
    folder = copy / "results/tiny"
    files = [path for path in sorted(folder.glob(f"*/{stage}/**/*")) if path.is_file()]
    file = rng.choice(files)
    others = [path for path in files if path != file and path.suffix == file.suffix]
    times = file.stat()
    content = kind(file.read_bytes(), rng, others)
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    for later in STAGES[STAGES.index(stage) + 1 :]:
        for path in folder.glob(f"*/{later}"):
            shutil.rmtree(path)
    if rng.random() < 0.5:  # as on a scratch disk that was purged
        shutil.rmtree(copy / ".snakemake")
    return kind.__name__, file.relative_to(copy)


def kill(copy, rng):
    """Start from some stage and kill the run, jobs and all, at some moment."""
    stage = rng.choice(STAGES)
    for later in STAGES[STAGES.index(stage) :]:
        for path in (copy / "results/tiny").glob(f"*/{later}"):
            shutil.rmtree(path)
    process = subprocess.Popen(
        command(), cwd=copy, env=ENVIRONMENT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(rng.uniform(1, 25))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command("--unlock"), cwd=copy, env=ENVIRONMENT, capture_output=True)


def start_over(copy):
    """Delete all products; a random stage would leave little to write."""
    for path in (copy / "results/tiny").iterdir():
        shutil.rmtree(path)


@pytest.mark.parametrize("fault", ["damage", "kill", "full disk", "no locks"])
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + FAULTS))
def test_a_fault_ends_in_the_result_or_names_the_file(
    undisturbed, tmp_path, refuses_locks, fault, seed
):
    original, expected = undisturbed
    copy, rng, told = tmp_path / "copy", random.Random(seed), fault
    shutil.copytree(original, copy, symlinks=True)
    damaged = None
    if fault == "damage":
        kind, damaged = damage(copy, rng)
        told = f"{kind} {damaged}"
    elif fault == "kill":
        kill(copy, rng)
    elif fault == "full disk":
        start_over(copy)
        status, said, log = run(copy, limit=rng.randrange(20_000, 3_000_000))
        told = f"{fault} ({status})"
        named = [
            line for line in log if "cannot write results/" in line or "File too large" in line
        ]
        assert status == 0 or named, (told, said, log)
        assert results(copy).items() <= expected.items(), told
    else:
        start_over(copy)
    status, said, log = run(copy, environment=refuses_locks if fault == "no locks" else None)
    if status != 0:
        assert damaged, (told, said, log)
        assert any(str(damaged) in line and "delete" in line for line in log), (told, said, log)
        (copy / damaged).unlink()
        status, said, log = run(copy)
    assert status == 0, (told, said, log)
    differing = [str(path) for path, content in expected.items() if results(copy)[path] != content]
    assert not differing, f"{told}: silently other results in {', '.join(differing)}"
    assert not [path for path in copy.rglob(".*.tmp") if "results" in path.parts], told
    print(f"seed {seed}: {told}")
