"""What the steps of a run took, by stage: Snakemake's benchmark files in, one row a stage out."""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd

_COLUMNS = {"s": "wall", "cpu_time": "cpu", "max_rss": "memory"}
_GPU_MEMORY = re.compile(r"^GPU memory: (\d+) MB at most$", re.M)
"""What `devices.report_memory` prints."""


def runtimes(files, folder, logs) -> pd.DataFrame:
    """Time and memory of the stages, taken and asked for.

    Parameters
    ----------
    files
        Benchmark files, at ``<folder>/<paper>/<stage>/``. What was asked for stands in extended
        ones only (``--benchmark-extended``).
    folder
        What they have in common.
    logs
        Folder of the logs, arranged like `folder`; those that are there tell the GPU's memory.

    Returns
    -------
    DataFrame
        For each paper and stage the number of `jobs`; of their wall time the sum, the longest, and
        the longest that one was allowed, in seconds; the CPU time of all, in seconds, and how many
        cores it kept busy (`cores_used`, the efficiency of jobs that have one core each); the
        largest memory of one, the largest that one was allowed, and the largest on a GPU, in MB.
        nan where nothing is known.
    """
    records = []
    for file in files:
        place = Path(file).relative_to(folder)
        record = pd.read_csv(file, sep="\t", na_values="-", quoting=3)
        asked = [ast.literal_eval(text) for text in record.get("resources", ["{}"] * len(record))]
        log = Path(logs, place).with_suffix(".log")
        said = _GPU_MEMORY.findall(log.read_text(errors="replace")) if log.is_file() else []
        records.append(
            record[list(_COLUMNS)]
            .rename(columns=_COLUMNS)
            .assign(
                paper=place.parts[0],
                stage=place.parts[1],
                memory_asked=[part.get("mem_mb", np.nan) for part in asked],
                wall_asked=[60 * part.get("runtime", np.nan) for part in asked],
                gpu_memory=float(said[-1]) if said else np.nan,
            )
        )
    if not records:
        raise ValueError(f"no benchmark files in {folder}: no step of this scale has run here")
    stages = pd.concat(records).groupby(["paper", "stage"])
    table = pd.DataFrame(
        {
            "jobs": stages.size(),
            "wall_s": stages["wall"].sum(),
            "longest_wall_s": stages["wall"].max(),
            "wall_asked_s": stages["wall_asked"].max(),
            "cpu_s": stages["cpu"].sum(),
            "cores_used": stages["cpu"].sum() / stages["wall"].sum(),
            "memory_MB": stages["memory"].max(),
            "memory_asked_MB": stages["memory_asked"].max(),
            "gpu_memory_MB": stages["gpu_memory"].max(),
        }
    )
    return table.reset_index()
