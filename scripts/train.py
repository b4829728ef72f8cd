"""Train one network: shards of images in, weights and history out."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lenscnn.core import devices
from lenscnn.nn.data import check_origin, label, load_normalised
from lenscnn.nn.spec import check_spec
from lenscnn.nn.train import save_network, train
from lenscnn.records import provenance
from lenscnn.records.specs import read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=read_spec, required=True, help="training spec, JSON file")
    parser.add_argument("--shards", nargs="+", required=True, help="training images, in order")
    parser.add_argument("--weights", type=Path, required=True, help="file to write")
    parser.add_argument("--history", type=Path, required=True, help="file to write, JSON lines")
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="kept while training, to resume from"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    spec = arguments.spec
    check_spec(spec)
    device = devices.resolve_device(arguments.device)
    check_origin(arguments.shards, spec["images"])
    origin = provenance.collect(spec, arguments.shards, devices.device_name(device))
    images, labels = load_normalised(arguments.shards, spec["normalise"])
    columns = {
        name: label(labels, name, arguments.shards[0])
        for name in (*spec["targets"], *spec["scalars"])
    }
    trained = train(
        spec,
        images,
        np.column_stack([columns[t] for t in spec["targets"]]),
        np.column_stack([columns[s] for s in spec["scalars"]]) if spec["scalars"] else None,
        device=device,
        checkpoint=arguments.checkpoint,
        history=arguments.history,
        log=lambda line: tqdm.write(line, file=sys.stderr),
    )
    save_network(arguments.weights, trained, spec, images.shape[1:], origin)
    arguments.checkpoint.unlink(missing_ok=True)
    devices.report_memory(device)


if __name__ == "__main__":
    main()
