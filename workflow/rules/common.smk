# Validation, paths, and the helpers of every rule.
import ast
import json
import os
from pathlib import Path

from snakemake.utils import validate

validate(config, "../schemas/config.schema.yaml", set_default=False)

# Jobs import the library from this checkout, whatever environment or machine they run in.
os.environ["PYTHONPATH"] = str(Path(workflow.basedir, "src"))
# Numerical libraries spin up a thread for every core they see; jobs are told how many they have.
for _library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

SCALE = config["scale"]
GPU = 0 if config["device"] == "cpu" else 1


pathvars:
    results=f"results/{SCALE}",
    logs=f"logs/{SCALE}",
    benchmarks=f"benchmarks/{SCALE}",
    papers=f"paper_figures/{SCALE}",


wildcard_constraints:
    reading="|".join(config["scutt"]["readings"]),
    draw="|".join(config["scutt"]["draws"]),
    view="|".join(config["scutt"]["views"]),
    split="train|test",
    shard=r"\d+",
    network="|".join(config["scutt"]["networks"]),
    seed=r"\d+",


def code_of(script):
    """A script and every module of the library it reaches, for a rule's inputs.

    Snakemake compares the content of inputs, so an edit reruns the jobs that use the code and
    a checkout or a touch does not.
    """
    files, queue = [], [Path(script)]
    while queue:
        path = queue.pop()
        if path in files:
            continue
        files.append(path)
        for node in ast.walk(ast.parse((Path(workflow.basedir) / path).read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module] + [
                    f"{node.module}.{alias.name}" for alias in node.names
                ]
            for name in names:
                if name.split(".")[0] == "lenscnn":
                    location = Path("src", *name.split("."))
                    candidates = (location.with_suffix(".py"), location / "__init__.py")
                    queue += [
                        c for c in candidates if (Path(workflow.basedir) / c).exists()
                    ]
    return [files[0].as_posix(), *sorted(path.as_posix() for path in files[1:])]


def as_json(value):
    return json.dumps(value, sort_keys=True)


def shard_rows(n, shard_size):
    """First and last (exclusive) row of each shard."""
    return [(start, min(start + shard_size, n)) for start in range(0, n, shard_size)]
