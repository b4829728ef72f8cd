"""Logs of jobs: written by those that run as scripts of the workflow, and read when one failed."""

import logging
import os
import re
import sys
from pathlib import Path

_LINES = 15
"""Lines of a log that are shown."""

_SHOWN = 3
"""Failed jobs whose logs are shown; of others they are named."""


def logged(job):
    """Send all that this process prints, errors too, to the log of a job.

    Parameters
    ----------
    job
        The object ``snakemake`` of a script. One without a log prints as before.

    Returns
    -------
    object
        The same.
    """
    for path in getattr(job, "log", ())[:1]:
        with open(path, "w", encoding="utf-8") as log:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
                os.dup2(log.fileno(), stream.fileno())
    return job


class FailedJobs(logging.Handler):
    """Remembers the jobs that failed, from what Snakemake logs, and says at the end why."""

    def __init__(self):
        super().__init__()
        self._failed = {}

    def emit(self, record):
        """Note a failure; forget it if another attempt at the job succeeds."""
        told = vars(record)
        if told.get("event") == "job_error":
            self._failed[told["jobid"]] = record
        elif told.get("event") == "job_finished":
            self._failed.pop(told["job_id"], None)

    def tell(self) -> str:
        """Return for each failed job its rule, its outputs, its log, and how that ends."""
        jobs = list(self._failed.values())
        if not jobs:
            return "no job failed by itself: what went wrong stands above"
        lines = [f"{len(jobs)} job{'s' * (len(jobs) > 1)} failed."]
        for job in jobs[:-_SHOWN]:
            lines.append(f"  {_name(job)}: {job.log[0] if job.log else 'no log'}")
        for job in jobs[-_SHOWN:]:
            lines += ["", _name(job), *_ending(job.log)]
        return "\n".join(lines)


def _name(job) -> str:
    made = f" ({', '.join(job.output)})" if job.output else ""
    return f"rule {job.rule_name}{made}"


def _ending(paths) -> list[str]:
    """Return the last lines of the first log that says something, below its path."""
    for path in paths:
        if Path(path).is_file():
            text = Path(path).read_text(encoding="utf-8", errors="replace")
            # Progress bars go back to the start of their line.
            if lines := [line for line in re.split(r"[\r\n]+", text) if line.strip()]:
                return [f"log: {path}, which ends", *(f"    {line}" for line in lines[-_LINES:])]
    said = f"log: {', '.join(paths)}, which is empty" if paths else "it has no log"
    return [f"{said}: see above, or it was killed (out of memory, or out of time)"]
