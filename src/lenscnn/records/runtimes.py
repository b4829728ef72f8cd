"""What the steps of a run took: Snakemake's benchmark files in, tables by job and by stage out."""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd

JOB = ("paper", "stage", "job")
"""Columns that tell jobs apart."""

_COLUMNS = {"s": "wall_s", "cpu_time": "cpu_s", "max_rss": "memory_MB"}

_MEASURED = (
    "wall_s", "wall_asked_s", "cpu_s", "memory_MB", "memory_asked_MB", "gpu_memory_MB",
)  # fmt: skip

_GPU_MEMORY = re.compile(r"^GPU memory: (\d+) MB at most$", re.M)
"""What `core.devices.report_memory` prints."""


def read_jobs(files, folder, logs) -> pd.DataFrame:
    """Read what jobs took, one row a benchmark file.

    Parameters
    ----------
    files
        Benchmark files, at ``<folder>/<paper>/<stage>/<job>.tsv``. What was asked for stands in
        extended ones only (``--benchmark-extended``).
    folder
        What they have in common.
    logs
        Folder of the logs, arranged like `folder`; those that are there tell the GPU's memory.

    Returns
    -------
    DataFrame
        Columns `JOB`, then ``wall_s``, ``wall_asked_s``, ``cpu_s``, ``memory_MB``,
        ``memory_asked_MB``, ``gpu_memory_MB``; nan where nothing is known.
    """
    rows = []
    for file in files:
        place = Path(file).relative_to(folder)
        record = pd.read_csv(file, sep="\t", na_values="-", quoting=3).iloc[0]
        asked = ast.literal_eval(record.get("resources", "{}"))
        log = Path(logs, place).with_suffix(".log")
        said = (
            _GPU_MEMORY.findall(log.read_text(errors="replace", encoding="utf-8"))
            if log.is_file()
            else []
        )
        job = dict(
            zip(JOB, (*place.parts[:2], "/".join(place.with_suffix("").parts[2:])), strict=True)
        )
        rows.append(
            job
            | {name: record[column] for column, name in _COLUMNS.items()}
            | {
                "wall_asked_s": 60 * asked.get("runtime", np.nan),
                "memory_asked_MB": asked.get("mem_mb", np.nan),
                "gpu_memory_MB": float(said[-1]) if said else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=[*JOB, *_MEASURED])


def join(older: pd.DataFrame, newer: pd.DataFrame) -> pd.DataFrame:
    """Join two tables of jobs, in order; of a job that both have the newer row holds."""
    both = pd.concat([table for table in (older, newer) if len(table)] or [older])
    return both.drop_duplicates(list(JOB), keep="last").sort_values(list(JOB), ignore_index=True)


def by_stage(jobs: pd.DataFrame) -> pd.DataFrame:
    """Summarise jobs by paper and stage.

    Parameters
    ----------
    jobs
        From `read_jobs`.

    Returns
    -------
    DataFrame
        For each paper and stage the number of `jobs`; of their wall time the sum, the longest, and
        the longest that one was allowed, in seconds; the CPU time of all, in seconds, and how many
        cores it kept busy (`cores_used`, the efficiency of jobs that have one core each); the
        largest memory of one, the largest that one was allowed, and the largest on a GPU, in MB.
        nan where nothing is known.

    Raises
    ------
    ValueError
        If there are none.
    """
    if jobs.empty:
        raise ValueError("no step of this scale has run here: there are no benchmark files")
    stages = jobs.groupby(["paper", "stage"])
    table = pd.DataFrame(
        {
            "jobs": stages.size(),
            "wall_s": stages["wall_s"].sum(),
            "longest_wall_s": stages["wall_s"].max(),
            "wall_asked_s": stages["wall_asked_s"].max(),
            "cpu_s": stages["cpu_s"].sum(),
            "cores_used": stages["cpu_s"].sum() / stages["wall_s"].sum(),
            "memory_MB": stages["memory_MB"].max(),
            "memory_asked_MB": stages["memory_asked_MB"].max(),
            "gpu_memory_MB": stages["gpu_memory_MB"].max(),
        }
    )
    return table.reset_index()
