"""Join the benchmark files of jobs that have run here into the table of their scale.

    python tools/records.py paper

reads benchmarks/paper/**/*.tsv and writes benchmarks/paper.csv, one row a job; rows of jobs that
ran elsewhere stay. The table is what is committed, the files are not.
"""

import argparse
from pathlib import Path

import pandas as pd

from lenscnn.core.storage import atomic_write
from lenscnn.records.runtimes import join, read_jobs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scale")
    scale = parser.parse_args().scale
    folder, table = Path("benchmarks", scale), Path(f"benchmarks/{scale}.csv")
    jobs = read_jobs(sorted(folder.rglob("*.tsv")), folder, Path("logs", scale))
    older = pd.read_csv(table) if table.exists() else jobs.iloc[:0]
    joined = join(older, jobs)
    with atomic_write(table) as path:
        joined.to_csv(path, index=False, float_format="%.6g")
    print(f"{table}: {len(joined)} jobs, {len(jobs)} of them from files here")


if __name__ == "__main__":
    main()
