# What is refused before any job, and what is said of what nothing makes. Nothing here is a rule.
import difflib
import logging
import re
import shutil
import subprocess


class AdviceOnTargets(logging.Handler):
    """Says what is near where Snakemake says that no rule makes what is asked for."""

    def emit(self, record):
        """What is asked for is not known before the Snakefile is read; only the error names it."""
        text = record.getMessage()
        if unknown := re.match(
            r"MissingRuleException:\nNo rule to produce (\S+) \(", text
        ):
            logger.error(f"There is no target {unknown[1]}{advice_on(unknown[1])}")
        elif (
            text.startswith("MissingInputException")
            and config["predictions"] == "released"
        ):
            logger.error(
                f"With `predictions: released` nothing makes what is missing at scale {SCALE}. "
                "The target `figures` draws what can be drawn; without that setting it is computed"
            )


logger.addHandler(AdviceOnTargets())


def may_be_asked_for(path):
    return os.path.exists(path) or any(one.is_producer(path) for one in workflow.rules)


def names_in_paths():
    """Names that the folders and files of papers have."""
    for name, paper in PAPERS.items():
        yield from (
            name,
            *paper.samples,
            *paper.views,
            *paper.networks,
            *paper.estimates,
        )
    yield from ("train", "test", "shard_0")


def advice_on(path):
    """What was meant by a target that nothing makes: a study, another scale, or a near name."""
    if re.search(r"\bpearson2019[/_]study", path) and not P.study_samples():
        return (
            ": the config has no study. Name the cameras of one in a file of your own, `pearson2019: "
            "{study: {cameras: [...]}}` (docs/surveys.md), and lay it over config/config.yaml with "
            "--configfile"
        )
    folder, scale, *rest = (*Path(path).parts, "", "")
    here = os.path.join(folder, SCALE, *rest).rstrip("/")
    if rest[0] and scale != SCALE and may_be_asked_for(here):
        own = f"{'config' if scale == 'paper' else scale}.yaml"
        config = (
            f"--configfile config/{own}"
            if scale in checks.SCALES
            else "a config whose `scale` it is"
        )
        return f": the scale is {SCALE}, with {here}. Scale {scale} takes {config}"
    known = [*map(str, rules.all.input), *(one.name for one in workflow.rules)]
    near = difflib.get_close_matches(path, known, n=3, cutoff=0.8)
    if not near:
        # Files of steps that differ in one name, where that is another paper's or nobody's.
        others = [
            other
            for other in checks.replace_one_name(path, names_in_paths())
            if any(one.is_producer(other) for one in workflow.rules)
        ]
        near = difflib.get_close_matches(path, others, n=3, cutoff=0)
    return (
        f": near are {', '.join(near)}" if near else ""
    ) + ". `make targets` lists all"


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
