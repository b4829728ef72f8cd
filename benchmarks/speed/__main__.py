"""Measure the speed of simulation, training and prediction, beside peers and the machine's limit.

Writes the rows of this machine into a table (benchmarks/README.md says how to read it) and draws
it. On the CPU everything is one thread's, and time is CPU time, so that other work on the machine
counts little; on a GPU it is wall time, and four threads draw subhaloes ahead. A peer that is not
installed is left out.
"""

import argparse
import os
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # of the peers' libraries too, before they are loaded

import torch  # noqa: E402
from machine import Machine, installed  # noqa: E402
from networks import NETWORKS, Keras, network_rows  # noqa: E402
from plot import plot  # noqa: E402
from simulation import pearson2019_rows, scutt_rows  # noqa: E402
from table import update  # noqa: E402

from lenscnn.core.devices import resolve_device  # noqa: E402
from lenscnn.papers.config import config_of_scale
from lenscnn.papers.registry import make_papers  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[2] / "config"
PARTS = "networks", "simulation"


def main() -> None:
    """Run the parts asked for on the devices asked for."""
    parser = argparse.ArgumentParser(prog="python benchmarks/speed", description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="CSV file to update")
    parser.add_argument("--plot", type=Path, required=True, help="PNG file to write")
    parser.add_argument(
        "--devices", nargs="+", choices=("cpu", "cuda"),
        default=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"],
    )  # fmt: skip
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    papers = make_papers(config_of_scale(CONFIGS) | {"seed": 1})
    for name in arguments.devices:
        machine = Machine(resolve_device(name))
        torch.set_num_threads(1 if name == "cpu" else 4)  # as the rule `simulate`
        parts = []
        if "networks" in arguments.parts:
            keras = Keras() if name == "cpu" and installed("tensorflow-cpu") else None
            parts += [partial(network_rows, machine, keras, papers[one.paper], one)
                      for one in NETWORKS]  # fmt: skip
        if "simulation" in arguments.parts:
            parts.append(partial(scutt_rows, machine, papers["scutt"]))
            parts += [partial(pearson2019_rows, machine, papers["pearson2019"], camera)
                      for camera in ("vis", "gri")]  # fmt: skip
        for part in parts:  # written one by one: a run cut short keeps what it has
            plot(update(arguments.table, part()), arguments.plot)


if __name__ == "__main__":
    main()
