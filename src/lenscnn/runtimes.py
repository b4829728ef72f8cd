"""What the steps of a run took, by stage: Snakemake's benchmark files in, one row a stage out."""

from pathlib import Path

import pandas as pd

_COLUMNS = {"s": "wall", "cpu_time": "cpu", "max_rss": "memory"}


def runtimes(files, folder) -> pd.DataFrame:
    """Time and memory of the stages.

    Parameters
    ----------
    files
        Benchmark files, at ``<folder>/<paper>/<stage>/``.
    folder
        What they have in common.

    Returns
    -------
    DataFrame
        For each paper and stage the number of `jobs`; of their wall time the sum and the longest,
        in seconds; the CPU time of all, in seconds, and how many cores it kept busy (`cores_used`,
        the efficiency of jobs that have one core each); the largest memory of one, in MB.
    """
    records = []
    for file in files:
        paper, stage, *_ = Path(file).relative_to(folder).parts
        record = pd.read_csv(file, sep="\t", na_values="-", usecols=list(_COLUMNS))
        records.append(record.rename(columns=_COLUMNS).assign(paper=paper, stage=stage))
    if not records:
        raise ValueError(f"no benchmark files in {folder}: no step of this scale has run here")
    stages = pd.concat(records).groupby(["paper", "stage"])
    table = pd.DataFrame(
        {
            "jobs": stages.size(),
            "wall_s": stages["wall"].sum(),
            "longest_wall_s": stages["wall"].max(),
            "cpu_s": stages["cpu"].sum(),
            "cores_used": stages["cpu"].sum() / stages["wall"].sum(),
            "memory_MB": stages["memory"].max(),
        }
    )
    return table.reset_index()
