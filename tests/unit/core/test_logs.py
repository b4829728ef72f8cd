"""Logs of jobs: what a script prints is in its own, and the end of a failed one's is told."""

import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

from lenscnn.core.logs import FailedJobs, logged


@pytest.fixture
def snakemake():
    """Functions that log what Snakemake logs, and the handler that hears it."""
    logger, handler = logging.Logger("a run"), FailedJobs()
    logger.addHandler(handler)

    def fail(jobid, rule, *logs, output=("a.h5",)):
        told = {"event": "job_error", "jobid": jobid, "rule_name": rule, "log": list(logs)}
        logger.error("Error in rule", extra=told | {"output": list(output)})

    def finish(jobid):
        logger.info("Finished", extra={"event": "job_finished", "job_id": jobid})

    return SimpleNamespace(fail=fail, finish=finish, tell=handler.tell, logger=logger)


def test_the_end_of_the_log_is_the_last_line(tmp_path, snakemake):
    log = tmp_path / "train.log"
    log.write_text("".join(f"epoch {k}\n" for k in range(99)) + "10%\r20%\r\nValueError: too bad\n")
    snakemake.logger.info("something else")
    snakemake.fail(3, "train", str(log), output=["w.pt", "h.jsonl"])
    lines = snakemake.tell().splitlines()
    assert lines[:4] == [
        "1 job failed.", "", "rule train (w.pt, h.jsonl)", f"log: {log}, which ends",
    ]  # fmt: skip
    assert lines[-3:] == ["    10%", "    20%", "    ValueError: too bad"]
    assert len(lines) < 22 and "    epoch 0" not in lines


def test_a_job_whose_second_attempt_succeeds_has_not_failed(tmp_path, snakemake):
    snakemake.fail(1, "train")
    snakemake.fail(2, "predict")
    snakemake.finish(1)
    assert "train" not in snakemake.tell() and "rule predict (a.h5)" in snakemake.tell()


def test_an_empty_log_gives_way_to_the_clusters(tmp_path, snakemake):
    own, cluster = tmp_path / "own.log", tmp_path / "slurm.log"
    own.touch()
    snakemake.fail(1, "train", str(own), str(cluster))
    assert f"log: {own}, {cluster}, which is empty: see above, or it was killed" in snakemake.tell()
    cluster.write_text("slurmstepd: error: Detected 1 oom_kill event\n")
    assert snakemake.tell().splitlines()[-2:] == [
        f"log: {cluster}, which ends", "    slurmstepd: error: Detected 1 oom_kill event",
    ]  # fmt: skip


def test_of_many_failures_three_are_shown_and_all_are_named(tmp_path, snakemake):
    for k in range(5):
        (tmp_path / f"{k}.log").write_text(f"Error: {k}\n")
        snakemake.fail(k, f"rule_{k}", str(tmp_path / f"{k}.log"))
    text = snakemake.tell()
    assert text.startswith("5 jobs failed.\n")
    assert all(f"rule_{k} (a.h5)" in text and f"{k}.log" in text for k in range(5))
    assert [f"Error: {k}" in text for k in range(5)] == [False, False, True, True, True]


def test_what_a_script_prints_is_in_its_log(tmp_path):
    code = (
        "import sys, types; from lenscnn.core.logs import logged; print('before');"
        "job = logged(types.SimpleNamespace(log=[sys.argv[1]])); print('after');"
        "raise ValueError(3)"
    )
    command = [sys.executable, "-c", code, tmp_path / "script.log"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}  # as the workflow does
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("before\n", "") and done.returncode == 1
    text = (tmp_path / "script.log").read_text()
    assert text.startswith("after\n") and text.endswith("ValueError: 3\n")
    job = SimpleNamespace(log=[])
    assert logged(job) is job
