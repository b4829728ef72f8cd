"""`snakemake --profile slurm` on a real Slurm, which slurm/start beside this puts up.

The fixture `day` is a bad day in the life of one DAG; each test looks at one thing that happened.
What nothing goes wrong in is for make test-slurm-full.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from types import SimpleNamespace

import h5py
import pandas as pd
import psutil
import pytest
import yaml
from conftest import ROOT
from workflows import ENVIRONMENT, clone, overlay

from lenscnn.core import weights
from lenscnn.records.runtimes import by_stage, read_jobs

PATIENCE = 3600  # seconds; on a free machine nothing takes a tenth of that
TINY = {
    "scale": "tiny",
    "scutt": {
        "sets": {"n_train": 32, "n_test": 16, "n_fixed_alpha": 4, "shard_size": 100},
        "networks": {"n_cnn": {"dense": 16}, "alpha_cnn": {"dense": 16}},
        "training": {"epochs": 20},
        "evaluation": {"bootstrap": 5},
    },
    "pearson2019": {
        "samples": {"euclid_caustic": {"n_train": 32, "n_test": 8}},
        "networks": {
            "cnn": {"filters": [4] * 6, "kernels": [3] * 6, "pool_after": [1, 2, 4, 6]},
        },
        "lenses_per_job": 10000,
        "training": {"epochs": 3},
    },
}  # fmt: skip
CAUSTIC = "results/tiny/pearson2019/predictions/caustic_e0_phi0/caustic_e0_phi0_seed0.h5"
TARGETS = ("scutt_fig5", CAUSTIC)
STAGES = {  # Slurm jobs behind the targets
    "population": 2, "simulate": 2, "train": 3, "predict": 4, "pearson2019_population": 2,
    "pearson2019_images": 2, "ridge": 1,
}  # fmt: skip
ON_GPU = {"simulate", "train", "predict", "pearson2019_images"}
CATALOGUES = [f"results/tiny/scutt/population/fixed/{split}.h5" for split in ("train", "test")]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    up = subprocess.run(
        [ROOT / "tests/cluster/slurm/start", folder], capture_output=True, text=True, timeout=300
    )
    if up.returncode == 77:
        pytest.skip(up.stderr.strip())
    assert up.returncode == 0, up.stderr
    yield folder
    subprocess.run([ROOT / "tests/cluster/slurm/stop", folder], check=True, timeout=60)


def clone_for_slurm(folder):
    """A clone that takes the cluster's GPUs, which are none, for what they are."""
    copy = clone(folder)
    substitute(copy / "src/lenscnn/core/devices.py", "has_nvidia_gpu() or granted_gpu()", "False")
    return copy


@pytest.fixture(scope="module")
def checkout(slurm, tmp_path_factory):
    """A clone whose trainings keep a checkpoint of every epoch, and whose images want memory.

    One for all tests: in a new place the compiled loops would be compiled anew.
    """
    copy = clone_for_slurm(tmp_path_factory.mktemp("slurm"))
    overlay(copy, "tiny", TINY)
    substitute(copy / "workflow/rules/scutt.smk", 'mem=growing(4, "GB")', 'mem=growing(450, "MB")')
    substitute(
        copy / "src/lenscnn/nn/train.py", "CHECKPOINT_SECONDS = 20.0", "CHECKPOINT_SECONDS = 0"
    )
    return copy


def clean(copy):
    """Make a clone as if nothing had been made in it."""
    for name in ("results", "logs", "paper_figures", ".snakemake"):
        shutil.rmtree(copy / name, ignore_errors=True)
    forget(copy)


def forget(copy):
    """Leave the jobs up to now out of what `jobs` tells of a folder."""
    (copy / "forgotten").unlink(missing_ok=True)
    known = jobs(copy)
    (copy / "forgotten").write_text(known[-1]["JobId"] if known else "0")


def substitute(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# As typed, but for polls that suit jobs of seconds.
SLURM = (
    "--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2",
    "--max-status-checks-per-second", "10", "--latency-wait", "5",
)  # fmt: skip


def command(*targets, options=SLURM):
    configs = ("--configfile", "config/config.yaml", "tiny.yaml")
    return ["snakemake", *options, *configs, "--", *targets]


def start(copy, *targets):
    """A controller in the background; its log is the file `log`."""
    with open(copy / "log", "a") as log:
        return subprocess.Popen(
            command(*targets), cwd=copy, env=ENVIRONMENT, stdout=log, stderr=log,
            # Tests that run in the background themselves would hand on that Ctrl-C is ignored.
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip


def call(copy, arguments, patience=PATIENCE):
    done = subprocess.run(
        arguments, cwd=copy, env=ENVIRONMENT, capture_output=True, text=True, timeout=patience
    )
    return done.returncode, done.stdout + done.stderr


def jobs(copy, **wanted):
    """Slurm's records of the jobs of a folder, oldest first, by what `scontrol` calls things."""
    text = subprocess.run(
        ["scontrol", "--oneliner", "show", "jobs"], capture_output=True, text=True, check=True
    ).stdout
    forgotten = copy / "forgotten"
    first = int(forgotten.read_text()) + 1 if forgotten.exists() else 0
    records = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in text.splitlines()]
    return sorted(
        (
            record | {"rule": re.sub("^rule_|_wildcards_.*", "", record.get("Comment", ""))}
            for record in records
            if record.get("WorkDir") == str(copy)
            and int(record["JobId"]) >= first
            and all(record.get(key) == value for key, value in wanted.items())
        ),
        key=lambda record: int(record["JobId"]),
    )


def set_partition(name, state):
    subprocess.run(["scontrol", "update", f"PartitionName={name}", f"State={state}"], check=True)


def wait(condition, run=None):
    """What `condition` gives once that is something, while `run` goes on."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end and (run is None or run.poll() is None)
        time.sleep(0.05)
    return value


def finish(copy, run):
    assert run.wait(PATIENCE) == 0, (copy / "log").read_text()[-5000:]


def kill(run):
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def leftovers(copy):
    """Files that something was still writing to, and checkpoints."""
    return [path for path in (copy / "results").rglob(".*") if path.is_file()]


@pytest.fixture(scope="module")
def day(checkout):
    """A controller is killed, another one sees its run through.

    On the way a job needs more memory than it asked for, one is cancelled, and a training hangs
    until its time is up.
    """
    copy = checkout
    clean(copy)
    day = SimpleNamespace(copy=copy)

    set_partition("cpu", "DOWN")  # so that the first jobs wait
    try:
        first = start(copy, *TARGETS)
        try:
            wait(lambda: len(jobs(copy, JobState="PENDING")) == 4, first)
            day.beside = call(copy, command(*TARGETS))
        finally:
            kill(first)
        day.locked = call(copy, command(*TARGETS))
        call(copy, command(*TARGETS, options=(*SLURM, "--unlock")))
        day.orphaned = call(copy, command(*TARGETS))
        day.orphans = [job["JobId"] for job in jobs(copy)]
        subprocess.run(["scancel", *day.orphans], check=True)
    finally:
        set_partition("cpu", "UP")

    second = start(copy, *TARGETS)
    try:
        interfere(copy, second)
        finish(copy, second)
    finally:
        if second.poll() is None:
            kill(second)
    day.jobs = [job for job in jobs(copy) if job["JobId"] not in day.orphans]
    return day


def interfere(copy, run):
    """Hang the N-CNN's training after its first epoch and end its time; cancel pearson2019's."""
    checkpoint = "results/tiny/scutt/weights/fixed/.n_cnn_seed0.checkpoint"

    def hang():
        if not (copy / checkpoint).exists():
            return False
        (process,) = processes(copy, checkpoint)
        process.suspend()
        (job,) = jobs(copy, Comment="rule_train_wildcards_scutt_fixed_n_cnn_0")
        soon = time.strftime("%FT%T", time.localtime(time.time() + 1))
        change = ["scontrol", "update", f"JobId={job['JobId']}", f"EndTime={soon}"]
        subprocess.run(change, check=True)
        return True

    def cancel():
        if not (copy / "logs/tiny/pearson2019/train/caustic_e0_phi0/cnn_seed0.log").exists():
            return False
        (job,) = jobs(copy, Comment="rule_train_wildcards_pearson2019_caustic_e0_phi0_cnn_0")
        subprocess.run(["scancel", job["JobId"]], check=True)
        return True

    to_do = {hang, cancel}

    def done():
        to_do.difference_update([act for act in to_do if act()])
        return not to_do

    wait(done, run)


def processes(copy, argument):
    """What Slurm has started in a folder with this word on its command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if argument in (process.info["cmdline"] or []) and process.info["cwd"] == str(copy)
    ]


def by_rule(records):
    counts = {}
    for record in records:
        counts[record["rule"]] = counts.get(record["rule"], 0) + 1
    return counts


def test_the_run_comes_to_its_end_with_every_job_done_once(day):
    assert by_rule(job for job in day.jobs if job["JobState"] == "COMPLETED") == STAGES
    assert (day.copy / "paper_figures/tiny/scutt/fig5.pdf").stat().st_size > 5000
    assert not leftovers(day.copy)
    assert not (day.copy / ".snakemake/locks").exists() or not list(
        (day.copy / ".snakemake/locks").iterdir()
    )


def test_jobs_that_ask_for_a_gpu_get_one_and_the_others_none(day):
    for job in day.jobs:
        on_gpu = job["rule"] in ON_GPU
        assert job["Partition"] == ("gpu" if on_gpu else "cpu"), job
        assert job.get("TresPerJob") == ("gres:gpu:1" if on_gpu else None), job


def test_a_second_controller_is_refused(day):
    code, text = day.beside
    assert code != 0 and "Directory cannot be locked" in text


def test_jobs_of_a_killed_controller_are_named_and_not_doubled(day):
    code, text = day.locked
    assert code != 0 and "Directory cannot be locked" in text and "--unlock" in text
    code, text = day.orphaned
    assert code != 0 and f"scancel {' '.join(day.orphans)}" in text
    assert len(day.orphans) == 4  # the first level of the DAG, submitted once


def test_a_cancelled_job_is_submitted_again(day):
    states = states_of(day, "rule_train_wildcards_pearson2019_caustic_e0_phi0_cnn_0")
    assert states == ["CANCELLED", "COMPLETED"]


def test_a_training_out_of_time_goes_on_from_its_checkpoint(day):
    states = states_of(day, "rule_train_wildcards_scutt_fixed_n_cnn_0")
    assert states == ["TIMEOUT", "COMPLETED"]
    log = (day.copy / "logs/tiny/scutt/train/fixed/n_cnn_seed0.log").read_text()
    assert re.search(r"goes on after epoch \d+ from ", log)


def test_a_job_out_of_memory_gets_more(day):
    for split in ("train", "test"):
        comment = f"rule_simulate_wildcards_scutt_fixed_{split}_0"
        attempts = [job for job in day.jobs if job["Comment"] == comment]
        memory = [f"{450 * k}M" for k in range(1, len(attempts) + 1)]
        assert [job["MinMemoryNode"] for job in attempts] == memory
        states = [job["JobState"] for job in attempts]
        assert states[0] == "FAILED" and states[-1] == "COMPLETED"


def test_what_jobs_took_stands_beside_what_they_asked_for(day):
    target = "paper_figures/tiny/runtime_table.csv"
    code, text = call(day.copy, command(target, options=("--cores", "1")))
    assert code == 0, text[-3000:]
    rows = pd.read_csv(day.copy / target).set_index(["paper", "stage"])
    for paper, trainings in (("scutt", 2), ("pearson2019", 1)):
        row = rows.loc[paper, "train"]
        assert row["jobs"] == trainings and row["wall_asked_s"] == 4 * 3600
        assert 0 < row["memory_MB"] < row["memory_asked_MB"]
        assert row["memory_asked_MB"] == 8000 * max(
            len(states_of(day, comment))
            for comment in {job["Comment"] for job in day.jobs}
            if comment.startswith(f"rule_train_wildcards_{paper}")
        )


def states_of(day, comment):
    return [job["JobState"] for job in day.jobs if job["Comment"] == comment]


def contents(path):
    """Arrays of a file of images or predictions, weights of one of weights."""
    if path.suffix == ".pt":
        state = weights.load(path)["state_dict"]
        return {name: tensor.numpy().tobytes() for name, tensor in state.items()}
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: item[()].tobytes()})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return arrays


def test_results_are_those_of_an_undisturbed_run(day):
    made = ("weights", "predictions")
    files = sorted(
        path
        for kind in made
        for path in day.copy.glob(f"results/tiny/*/{kind}/**/*")
        if path.is_file()
    )
    assert len(files) == 3 + 4 + 2  # the last by ridge regression
    disturbed = {}
    for file in files:
        disturbed[file] = contents(file)
        file.unlink()
    for folder in (day.copy / "paper_figures", day.copy / "results/tiny/scutt/metrics"):
        shutil.rmtree(folder)
    code, text = call(day.copy, command(*TARGETS, options=("--cores", "2")))
    assert code == 0, text[-3000:]
    for file in files:
        assert disturbed[file] and disturbed[file] == contents(file), file


# Two jobs, and one thing that happens to them.


def running(copy, rule="population"):
    return [job for job in jobs(copy, JobState="RUNNING") if job["rule"] == rule]


@pytest.fixture
def copy(checkout):
    clean(checkout)
    return checkout


@pytest.fixture
def small(copy):
    """The clone, and a controller of two jobs in it of which one has begun to run."""
    run = start(copy, *CATALOGUES)
    wait(lambda: running(copy), run)
    yield copy, run
    if run.poll() is None:
        kill(run)


def test_an_interrupted_controller_cancels_its_jobs_and_the_next_one_goes_on(small):
    copy, run = small
    run.send_signal(signal.SIGINT)
    assert run.wait(PATIENCE) != 0
    wait(lambda: not jobs(copy, JobState="COMPLETING"))
    # A step that is told to end may say of itself that it failed before Slurm has cancelled it.
    assert {job["JobState"] for job in jobs(copy)} <= {"CANCELLED", "COMPLETED", "FAILED"}
    finish(copy, start(copy, *CATALOGUES))
    assert not leftovers(copy)


def again(copy):
    """Jobs that Slurm has put back into the queue, where it would have them wait two minutes."""
    put_back = [job for job in jobs(copy, JobState="PENDING") if int(job["Restarts"])]
    for job in put_back:
        update = ["scontrol", "update", f"JobId={job['JobId']}", "StartTime=now"]
        subprocess.run(update, check=True)
    return put_back


def test_jobs_of_a_node_that_goes_down_run_elsewhere(small, slurm):
    copy, run = small
    node = running(copy)[0]["NodeList"]
    hit = {job["JobId"] for job in running(copy) if job["NodeList"] == node}
    os.kill(int((slurm / f"pid/slurmd.{node}").read_text()), signal.SIGKILL)
    for process in psutil.process_iter(["cmdline"]):
        step = re.match(r"slurmstepd: \[(\d+)\.", " ".join(process.info["cmdline"] or []))
        if step and step[1] in hit:
            for part in (process, *process.children(recursive=True)):
                part.kill()
    put_back = set()

    def all_put_back():
        put_back.update(job["JobId"] for job in again(copy))
        return put_back >= hit

    try:
        wait(all_put_back, run)
        finish(copy, run)
    finally:
        subprocess.run(["slurmd", "-N", node], check=True)
    done = jobs(copy, JobState="COMPLETED")
    assert len(done) == 2
    assert not [job for job in done if job["JobId"] in hit and job["NodeList"] == node]
    assert not leftovers(copy)


def test_preempted_jobs_are_queued_again(small):
    copy, run = small
    urgent = "sbatch -p urgent -N2 --exclusive -o /dev/null --wrap".split()
    subprocess.run([*urgent, "sleep 5"], check=True, stdout=subprocess.DEVNULL)
    wait(lambda: again(copy), run)
    finish(copy, run)
    assert [job["JobState"] for job in jobs(copy)] == ["COMPLETED", "COMPLETED"]
    assert not leftovers(copy)


def test_a_full_disk_fails_the_job_and_leaves_nothing_half_written(copy):
    results = copy / "results/tiny"
    results.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", results], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system: {mounted.stderr.strip()}")
    try:
        code, text = call(copy, command(CATALOGUES[0], options=(*SLURM, "--retries", "0")))
        assert code != 0 and "No space left on device" in text
        assert not [path for path in results.rglob("*") if path.is_file()]
        subprocess.run(["mount", "-o", "remount,size=64m", results], check=True)
        finish(copy, start(copy, CATALOGUES[0]))
        assert (copy / CATALOGUES[0]).stat().st_size
    finally:
        subprocess.run(["umount", results], check=True)


@pytest.mark.slurm_full
def test_the_controller_can_be_a_batch_job_itself(copy):
    batch = ["sbatch", "--wait", "-o", copy / "log", "--wrap", " ".join(command(CATALOGUES[0]))]
    code, text = call(copy, batch)
    assert code == 0, (copy / "log").read_text()
    assert by_rule(jobs(copy, JobState="COMPLETED"))["population"] == 1


IMAGES = [f"results/tiny/scutt/images/fixed/{split}/shard_0.h5" for split in ("train", "test")]


@pytest.mark.slurm_full
@pytest.mark.parametrize(
    ("gpu_job", "asked", "devices"),
    [
        ({}, {"TresPerJob": "gres:gpu:1"}, {"0", "1"}),
        (
            {"gpu": 0, "gres": "shard:1", "slurm_partition": "gpu"},
            {"TresPerNode": "gres:shard:1"},
            {"0"},
        ),
    ],
    ids=["one-each", "shared"],
)
def test_gpus_are_had_one_each_or_shared_as_the_site_says(copy, gpu_job, asked, devices):
    code, text = call(copy, command(*CATALOGUES, options=("--cores", "2")))
    assert code == 0, text[-3000:]
    site = copy / "profiles/slurm/site.yaml"
    example = yaml.safe_load(site.with_name("site.example.yaml").read_text())
    site.write_text(yaml.safe_dump(example | {"gpu_job": gpu_job}))
    try:
        run = start(copy, *IMAGES)
        seen = {}  # which GPU each of the jobs that run at the same time was given

        def at_once():
            for process in processes(copy, "scripts/simulate.py"):
                if process.pid not in seen:
                    process.suspend()
                    seen[process.pid] = process.environ()["CUDA_VISIBLE_DEVICES"]
            return len(seen) == 2

        try:
            wait(at_once, run)
        finally:
            for pid in seen:
                psutil.Process(pid).resume()
        finish(copy, run)
    finally:
        site.unlink()
    assert {*seen.values()} == devices
    for job in jobs(copy):
        assert job["Partition"] == "gpu" and asked.items() <= job.items(), job


@pytest.mark.slurm_full
def test_the_whole_dag_at_smoke_scale(slurm, tmp_path):
    """With SLURM_RECORD, which names a file, what the jobs took is put down there."""
    copy = clone_for_slurm(tmp_path)
    whole = [*SLURM, "--jobs", "4", "--configfile", "config/smoke.yaml", "--", "all"]
    planned = call(copy, ["snakemake", "--dry-run", *whole])[1]
    rules = re.findall(r"^rule (\w+):$", planned, re.M)
    expected = by_rule({"rule": rule} for rule in rules if rule in STAGES)
    code, text = call(copy, ["snakemake", *whole], patience=4 * 3600)
    assert code == 0, text[-3000:]
    assert by_rule(jobs(copy, JobState="COMPLETED")) == by_rule(jobs(copy)) == expected
    assert expected.keys() == STAGES.keys()
    assert "Nothing to be done" in call(copy, ["snakemake", "--dry-run", *whole])[1]
    record = overhead(copy)
    known = record["rule"] != "population"
    assert (record.loc[known, "own_s"] > 0).all() and (record["elapsed_s"] > 0).all()
    assert (record.loc[known, "overhead_s_per_job"] > 0).all()
    if path := os.environ.get("SLURM_RECORD"):
        record.to_csv(path, index=False, float_format="%.4g")


def overhead(copy):
    """By rule: jobs, seconds that they waited and took in Slurm, seconds of their own work.

    Only populations of scutt keep no record of their own.
    """
    folder = copy / "benchmarks/smoke"
    took = by_stage(read_jobs(folder.glob("**/*.tsv"), folder, copy / "logs/smoke"))
    rules = {("pearson2019", stage): f"pearson2019_{stage}" for stage in ("population", "images")}
    rules |= {(reading, "images"): "simulate" for reading in ("scutt", "scutt_as_run")}
    took["rule"] = [
        rules.get(place, place[1]) for place in zip(took["paper"], took["stage"], strict=True)
    ]
    records = pd.DataFrame(jobs(copy))
    for name in ("SubmitTime", "StartTime", "EndTime"):
        records[name] = pd.to_datetime(records[name])
    records["waited_s"] = (records["StartTime"] - records["SubmitTime"]).dt.total_seconds()
    records["elapsed_s"] = (records["EndTime"] - records["StartTime"]).dt.total_seconds()
    table = records.groupby("rule").agg(
        jobs=("JobId", "size"), waited_s=("waited_s", "sum"), elapsed_s=("elapsed_s", "sum")
    )
    table["own_s"] = took.groupby("rule")["wall_s"].sum()
    table["overhead_s_per_job"] = (table["elapsed_s"] - table["own_s"]) / table["jobs"]
    return table.reset_index()
