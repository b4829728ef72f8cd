"""A cluster's names for things, and a cluster that is not there or does not answer."""

import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from workflows import BIN, ENVIRONMENT, clone

from lenscnn.config.site import read_site
from lenscnn.config.yaml_files import InputError

EXAMPLE = ROOT / "profiles/slurm/site.example.yaml"


def site(tmp_path, text):
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_read_as_yaml_reads_it():
    assert read_site(EXAMPLE) == yaml.safe_load(EXAMPLE.read_text())


@pytest.mark.parametrize(
    "text", ["partitions: {a: {}}\n", "partitions: {a: {}}\nevery_job:\ngpu_job:\n"]
)
def test_parts_may_be_empty_or_missing(tmp_path, text):
    assert read_site(site(tmp_path, text)) == {
        "partitions": {"a": {}}, "every_job": {}, "gpu_job": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partitions: {gpu: {max_runtime: 1:00:00}}", "partitions.gpu.max_runtime is 1:00:00; wri"),
        ("partitions: {a: {}}\ngpu_job: {runtime: 12:00:00}", "gpu_job.runtime is 12:00:00; write"),
        ("partitions: {a: {max_runtime: '1-12:00:00'}}", "is 1-12:00:00; write times as 90m, 4h"),
        ("partitions: {a: {max_runtime: 2-00}}", None),  # YAML's own text; Snakemake refuses it
        ("partition: {a: {}}", "partition is none of partitions, every_job, gpu_job"),
        ("every_job: {qos: long}", "partitions is empty"),
        ("partitions: [cpu]", r"partitions is \['cpu'\], not"),
        ("partitions: {a: {\n  b: }", "line [23]: not YAML: .*expected ',' or '}'"),
        ("", "holds none of partitions, every_job, gpu_job"),
    ],
)
def test_a_bad_site_file_is_one_line(tmp_path, text, message):
    path = site(tmp_path, text)
    if message is None:
        read_site(path)
        return
    with pytest.raises(InputError, match=message) as caught:
        read_site(path)
    assert str(caught.value).startswith(f"error: {path}") and "\n" not in str(caught.value)


def test_a_site_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(InputError, match="absent.yaml cannot be read"):
        read_site(tmp_path / "absent.yaml")


def test_the_profile_ends_with_the_line(tmp_path):
    copy = clone(tmp_path)
    path = copy / "profiles/slurm/site.yaml"
    path.write_text("partitions: {gpu: {max_runtime: 1:00:00}}\n")
    done = subprocess.run(
        ["snakemake", "--profile", "slurm", "-n", "scutt_fig1"], cwd=copy, env=ENVIRONMENT,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "error:" in line]
    assert line == (
        "error: profiles/slurm/site.yaml: partitions.gpu.max_runtime is 1:00:00; "
        "write times as 90m, 4h or 1d"
    )


SLURM = {
    "sacct", "sacctmgr", "salloc", "sattach", "sbatch", "sbcast", "scancel", "scontrol", "scrontab",
    "sdiag", "sinfo", "sprio", "squeue", "sreport", "srun", "sshare", "sstat", "strigger",
}  # fmt: skip
TARGET = "results/paper/scutt/population/fixed/test.h5"


def start(copy, folder, *arguments):
    """Run the workflow with the commands of one folder, and the environment's."""
    done = subprocess.run(
        ["snakemake", *arguments, "--", TARGET], cwd=copy, capture_output=True, text=True,
        env=ENVIRONMENT | {"PATH": f"{BIN}:{folder}:/usr/bin:/bin"} if folder.name == "failing"
        else ENVIRONMENT | {"PATH": f"{BIN}:{folder}"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_no_slurm_is_one_clear_line_before_any_job(tmp_path):
    copy, tools = clone(tmp_path), tmp_path / "tools"
    tools.mkdir()
    for path in (*Path("/bin").iterdir(), *Path("/usr/bin").iterdir()):
        if path.name not in SLURM and not (tools / path.name).exists():
            (tools / path.name).symlink_to(path)
    status, said = start(copy, tools, "--profile", "slurm")
    assert status != 0 and not (copy / TARGET).exists()
    assert "there is no Slurm here (no squeue): run on a node that submits jobs" in said
    assert "sacct" not in said and "Error in rule" not in said


def test_a_queue_that_does_not_answer_stops_the_run(tmp_path):
    copy, tools = clone(tmp_path), tmp_path / "failing"
    tools.mkdir()
    queue = tools / "squeue"
    queue.write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    queue.chmod(0o755)
    status, said = start(copy, tools, "--profile", "slurm")
    assert status != 0 and not (copy / TARGET).exists()
    assert "squeue fails (Unable to contact slurm controller)" in said
    # A machine that has the commands and no cluster runs jobs itself.
    assert start(copy, tools, "--cores", "1")[0] == 0
    assert (copy / TARGET).exists()
