# Validation, paths, and the helpers of every rule.
import functools
import os
import sys
from pathlib import Path

from snakemake.logging import logger

# Rules and jobs import the library from this checkout, whatever environment or machine they run
# in, and numerical libraries, which start a thread for every core they see, are told to start one.
# Figures are drawn into files: the back end of a notebook that starts the workflow is its own.
# What is printed is in a log at once, so that an error is its last line.
LIBRARY = str(Path(CHECKOUT, "src"))
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
from lenscnn.papers.config import config_of_scale
from lenscnn.papers.registry import mistakes_in
from lenscnn.records.provenance import canonical_json as as_json
from lenscnn.records.provenance import file_digest
from lenscnn.records.specs import write_spec

CONFIGS = Path(CHECKOUT, "config")
AS_PRINTED = config_of_scale(CONFIGS)
if mistakes := mistakes_in(config, CONFIGS):
    raise WorkflowError("\n".join(mistakes))
# Of a scale of the project's own: its sizes, and for the rest what the papers print.
OF_SCALE = config_of_scale(CONFIGS, config["scale"])
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


# Before the paths of files that are made, where this is a module that has one.
PREFIX = workflow.modifier.path_modifier.prefix or ""


def own(path):
    """Input: a file that comes with the workflow, not with the data."""
    return local(f"{BASE}{path}")


@functools.cache
def code_of(script):
    """Input: a script and all code it reaches."""
    return [own(path) for path in code_inputs.code_of(script, CHECKOUT)]


def spec_file(spec):
    """Parameter: a file of what a step is told, too long for a command line.

    Its name changes with its content, so that Snakemake sees a parameter that changed. It lies
    where Snakemake keeps its own: wherever a job runs, its parameters are made there.
    """
    return write_spec(spec, ".snakemake/specs")


def lift_limit_of_starts():
    """Take away Snakemake's default limit, 100 jobs a second.

    With a limit every look at the waiting jobs starts a timer, which looks again a second later,
    and every job that ends makes one look more: after n jobs there are n looks a second.
    """
    # It is not public, so that it may be gone in another version.
    limiter = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def growing(amount, unit):
    """Of a resource so much in the first attempt at a job, twice as much in the second, ..."""
    return lambda wildcards, attempt: f"{amount * attempt}{unit}"


def benchmark_records(wildcards):
    """Records of jobs by path, with their contents' digests, so that new ones are noticed.

    They are the benchmark files of jobs that ran here, and the table of all that tools/records.py
    made.
    """
    folder = Path(f"{PREFIX}benchmarks")
    files = [folder / f"{SCALE}.csv", *sorted((folder / SCALE).rglob("*.tsv"))]
    return {path.as_posix(): file_digest(path) for path in files if path.exists()}


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
