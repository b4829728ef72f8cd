"""List what can be asked for by a config: what it shows, whether it is here, how long it takes.

    python tools/targets.py [CONFIG...]

Configs are laid over config/config.yaml one after the other, as --configfile does.

Times are those of the jobs behind a target, one after the other, as benchmarks/ has them from the
machine that they ran on; drawing what is computed already takes seconds.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

from lenscnn.config.yaml_files import read_configs
from lenscnn.papers.paper import Paper
from lenscnn.papers.registry import make_papers, mistakes_in, targets_of
from lenscnn.records.runtimes import JOB, join, read_jobs

OTHERS = {
    "claims": "Every number that the papers print beside ours",
    "provenance_table": "What predictions and test lenses were made from",
}
"""Targets beside those of the papers, and what they show."""


def plan(configs: list[str]) -> list[dict]:
    """Return rule, input, output and benchmark of every job behind `all` that makes files."""
    command = ["snakemake", "-n", "--forceall", "--configfile", *configs, "--", "all"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", done.stdout, re.M)
    jobs = [
        {"rule": rule} | dict(re.findall(r"^ {4}(\w+): (.*)$", block, re.M))
        for rule, block in blocks
    ]
    return [job for job in jobs if "output" in job]


def recorded(scale: str) -> dict[tuple, float]:
    """Return the seconds of each job on record, by paper, stage and name."""
    folder, table = Path("benchmarks", scale), Path(f"benchmarks/{scale}.csv")
    here = read_jobs(sorted(folder.rglob("*.tsv")), folder, Path("logs", scale))
    jobs = join(pd.read_csv(table), here) if table.exists() else here
    return jobs.set_index(list(JOB))["wall_s"].to_dict()


def seconds(outputs: list[str], makers: dict[str, dict], times: dict) -> tuple[float, bool]:
    """Return how long the jobs behind files take, and whether all are on record."""
    queue, seen, total, known = list(outputs), set(), 0.0, True
    while queue:
        job = makers.get(queue.pop())
        if job is None or job["output"] in seen:
            continue
        seen.add(job["output"])
        queue += job.get("input", "").split(", ")
        if "benchmark" in job:
            _, _, paper, stage, *name = Path(job["benchmark"]).with_suffix("").parts
            time = times.get((paper, stage, "/".join(name)))
            total, known = total + (time or 0.0), known and time is not None
    return total, known


def in_words(total: float, known: bool) -> str:
    if not total:
        return "seconds" if known else "not on record"
    time = f"{total / 60:.0f} min" if total < 5400 else f"{total / 3600:.1f} h"
    return time if known else f"more than {time}"


def papers_of(configs: list[str]) -> tuple[str, dict[str, Paper]]:
    """Return the scale of configs and their papers; end with what is wrong with them."""
    values = read_configs(configs)
    if mistakes := mistakes_in(values, "config"):
        sys.exit("\n".join(mistakes))
    return values["scale"], dict(make_papers(values))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", metavar="CONFIG", nargs="*")
    configs = list(dict.fromkeys(["config/config.yaml", *parser.parse_args().configs]))
    scale, papers = papers_of(configs)
    shows = {
        f"{name}_{target.name}": target.title
        for name, paper in papers.items()
        for target in targets_of(paper)
    } | OTHERS
    jobs, times = plan(configs), recorded(scale)
    makers = {path: job for job in jobs for path in job["output"].split(", ")}
    width = max(map(len, shows))
    command = f"snakemake --cores all --configfile {' '.join(configs)}"
    print(f"{command} -- TARGET")
    print(f"{command} --config predictions=released -- TARGET  # from predictions that are here\n")
    print(f"{'target':{width}} {'shows':62} {'here':4} {'takes from nothing':20} lands in")
    rules = {job["rule"]: job["output"].split(", ") for job in jobs}
    for name, title in shows.items():
        files = rules[name]
        here = "yes" if all(Path(path).exists() for path in files) else "no"
        time = in_words(*seconds(files, makers, times))
        print(f"{name:{width}} {title:62} {here:4} {time:20} {files[0]}")
    study = ["pearson2019_study"] if any("_study_" in name for name in shows) else []
    drawn = "figures (what can be drawn of the predictions that are here)"
    print(f"\nSeveral at once: {', '.join(['all', drawn, *papers, *study])}")
    print(f"All from nothing: {in_words(*seconds(list(makers), makers, times))}, one job at a time")


if __name__ == "__main__":
    main()
