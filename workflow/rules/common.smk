# Validation, paths, and the helpers of every rule.
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from snakemake.logging import logger

# Rules and jobs import the library from this checkout, whatever environment or machine they run
# in, and numerical libraries, which start a thread for every core they see, are told to start one.
# Figures are drawn into files: the back end of a notebook that starts the workflow is its own.
# What is printed is in a log at once, so that an error is its last line.
LIBRARY = str(Path(workflow.basedir, "src"))
sys.path.insert(0, LIBRARY)
os.environ.update(
    PYTHONPATH=os.pathsep.join([LIBRARY, *filter(None, [os.getenv("PYTHONPATH")])]),
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    MPLBACKEND="agg",
    PYTHONUNBUFFERED="1",
)

# What rules call `python` is the one that runs Snakemake, also where its environment is not active.
PYTHON = Path(sys.executable).with_name("python")
if PYTHON.exists() and PYTHON.samefile(sys.executable):
    os.environ.update(PATH=os.pathsep.join([str(PYTHON.parent), os.getenv("PATH", "")]))

# The library can be imported from here on.
from lenscnn.config import checks, code_inputs
from lenscnn.core.logs import FailedJobs
from lenscnn.papers.registry import mistakes_in
from lenscnn.records.provenance import canonical_json as as_json
from lenscnn.records.provenance import file_digest
from lenscnn.records.specs import write_spec

CONFIGS = Path(workflow.basedir, "config")
AS_PRINTED = checks.values_of_scale(CONFIGS, "paper")
if mistakes := mistakes_in(config, CONFIGS):
    raise WorkflowError("\n".join(mistakes))
checks.keep_order(config, AS_PRINTED)

SCALE = config["scale"]
GPU = 0 if config["device"] == "cpu" else 1  # how many a job asks for that can use one


FAILED = FailedJobs()
logger.addHandler(FAILED)


pathvars:
    results=f"results/{SCALE}",
    logs=f"logs/{SCALE}",
    benchmarks=f"benchmarks/{SCALE}",
    papers=f"paper_figures/{SCALE}",


wildcard_constraints:
    split="train|test",
    shard=r"\d+",
    seed=r"\d+",


@functools.cache
def code_of(script):
    """Input: a script and all code it reaches, which comes with the workflow, not with the data."""
    return [local(path) for path in code_inputs.code_of(script, workflow.basedir)]


def spec_file(spec):
    """Parameter: a file of what a step is told, too long for a command line.

    Its name changes with its content, so that Snakemake sees a parameter that changed. It lies
    where Snakemake keeps its own: wherever a job runs, its parameters are made there.
    """
    return write_spec(spec, ".snakemake/specs")


def growing(amount, unit):
    """Of a resource so much in the first attempt at a job, twice as much in the second, ..."""
    return lambda wildcards, attempt: f"{amount * attempt}{unit}"


def benchmark_records(wildcards):
    """Records of jobs by path, with their contents' digests, so that new ones are noticed.

    They are the benchmark files of jobs that ran here, and the table of all that tools/records.py
    made.
    """
    folder = Path("benchmarks")
    files = [folder / f"{SCALE}.csv", *sorted((folder / SCALE).rglob("*.tsv"))]
    return {path.as_posix(): file_digest(path) for path in files if path.exists()}


def refuse_beside_slurm_jobs():
    """Raise WorkflowError if an earlier run left jobs in the queue: they write the same files.

    The jobs of a controller that was killed run on, and its lock holds off the next one only until
    somebody removes it. Without Slurm there are none; then nothing can be submitted, either.
    """
    submits = workflow.executor_plugin.name == "slurm"
    if not shutil.which("squeue"):
        if submits:
            raise WorkflowError(
                "there is no Slurm here (no squeue): run on a node that submits jobs, or on this "
                "machine alone with `snakemake --profile profiles/local`"
            )
        return
    queue = subprocess.run(
        ["squeue", "--me", "--noheader", "--format=%i %k %Z"],
        capture_output=True,
        encoding="utf-8",
    )
    if queue.returncode != 0:
        if submits:
            raise WorkflowError(
                f"squeue fails ({queue.stderr.strip()}), so that nobody can say whether jobs of an "
                "earlier run are in the queue. Start again when it answers"
            )
        return  # as on a workstation that has Slurm's commands and no cluster
    jobs = [line.split(" ", 2) for line in queue.stdout.splitlines()]
    left = [
        job
        for job, comment, folder in jobs
        if comment.startswith("rule_") and folder == os.getcwd()
    ]
    if left:
        raise WorkflowError(
            f"an earlier run left {len(left)} Slurm jobs in this folder. Let them finish and start"
            f" again, or cancel them first: scancel {' '.join(left)}"
        )


def refuse_what_must_fail():
    """Raise WorkflowError if jobs of this run want a device or disk space that is not there.

    Where jobs run elsewhere, or in environments of their own, nobody can say from here.
    """
    if (
        workflow.executor_plugin.name != "local"
        or workflow.deployment_settings.deployment_method
    ):
        return
    jobs = list(workflow.dag.needrun_jobs())
    if not workflow.storage_settings.default_storage_provider:
        refuse_disk(jobs)
    wanted = {job.resources.get("device") for job in jobs} - {None}
    for device in sorted(wanted - {"cpu"} or wanted):
        refuse_device(device)


def refuse_device(name):
    """Raise WorkflowError if torch cannot be imported, or does not have a device."""
    asked = f"from lenscnn.core import devices; devices.resolve_device({name!r})"
    done = subprocess.run(
        ["python", "-c", asked], capture_output=True, encoding="utf-8"
    )
    if done.returncode != 0:
        why = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        if not (said := why[-1].partition("ValueError: config key")[2]):
            raise WorkflowError(
                f"python cannot use torch ({why[-1]}): install it with "
                "`pip install -r envs/requirements.txt`, and see whether `python -c 'import "
                "torch'` works"
            )
        raise WorkflowError(f"config key{said}")


def refuse_disk(jobs):
    """Raise WorkflowError if images of jobs need more room than is free."""
    jobs = [job for job in jobs if "disk_mb" in job.resources.keys()]
    replaced = sum(
        os.path.getsize(path)
        for job in jobs
        for path in job.output
        if os.path.exists(path)
    )
    need = sum(job.resources["disk_mb"] for job in jobs) / 1e3 - replaced / 1e9
    folder = "results" if os.path.exists("results") else "."
    free = shutil.disk_usage(folder).free / 1e9
    if need > free:
        raise WorkflowError(
            f"the images of this run take {need:.1f} GB, and {os.path.realpath(folder)} has "
            f"{free:.1f} GB free: make room, make results/ a link to a larger disk, or choose a "
            "smaller scale (config/quick.yaml)"
        )


@functools.cache
def can_be_made(path):
    """Is the file here, or does a rule make it of files that are here or can be made?"""
    if os.path.exists(path):
        return True
    return any(
        all(map(can_be_made, rule.expand_input(rule.get_wildcards(path))[0]))
        for rule in workflow.rules
        if rule.is_producer(path)
    )


@functools.cache
def targets_at_hand():
    """Of all figures and tables those that can be made; the others are named on stderr."""
    targets = list(rules.all.input)
    if missing := [path for path in targets if not can_be_made(path)]:
        logger.warning(f"left out, for want of files: {', '.join(missing)}")
    return [path for path in targets if path not in missing]
