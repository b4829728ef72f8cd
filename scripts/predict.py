"""Apply one trained network to the test images: weights and shards in, predictions out."""

import argparse
from pathlib import Path

import torch

from lenscnn.core import devices, storage
from lenscnn.nn import predict
from lenscnn.nn.data import check_origin
from lenscnn.records import migrations, provenance
from lenscnn.records.specs import read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="trained network")
    parser.add_argument("--shards", nargs="+", required=True, help="test images, in order")
    parser.add_argument(
        "--n-from", required=True, help="truth, none, or a file of predictions of N"
    )
    parser.add_argument(
        "--n-settings",
        type=read_spec,
        required=True,
        help="what predictions of N must be made with, JSON file; null if none are read",
    )
    parser.add_argument(
        "--keep", nargs="+", required=True, help="labels to write beside the predictions"
    )
    parser.add_argument(
        "--mirrors",
        action="store_true",
        help="also write the mean over the eight mirrored versions of each image",
    )
    parser.add_argument(
        "--spec",
        type=read_spec,
        required=True,
        help="training spec the weights must have, JSON file",
    )
    parser.add_argument(
        "--images", type=read_spec, required=True, help="spec the test images must have, JSON file"
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write, HDF5")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    inputs = [arguments.weights, *arguments.shards]
    if arguments.n_from not in ("truth", "none"):
        inputs.append(arguments.n_from)
        migrations.check_predictions(arguments.n_from, arguments.n_settings)
    device = devices.resolve_device(arguments.device)
    network, meta = predict.load_network(arguments.weights, arguments.spec)
    check_origin(arguments.shards, arguments.images)
    arrays = predict.predict_shards(
        network,
        meta,
        arguments.shards,
        arguments.n_from,
        arguments.keep,
        device,
        arguments.mirrors,
    )
    spec = {
        "training": arguments.spec,
        "images": arguments.images,
        "n_from": Path(arguments.n_from).name,
        "mirrors": arguments.mirrors,
    }
    origin = provenance.collect(
        spec, inputs, devices.device_name(device), {arguments.weights: meta["provenance"]}
    )
    targets = arguments.spec["targets"]
    units = [predict.UNITS.get(name, "dimensionless") for name in targets]
    columns = {"target": " ".join(targets), "unit": " ".join(units)}
    storage.write_h5(arguments.out, predict.in_float32(arrays), columns | origin)
    devices.report_memory(device)


if __name__ == "__main__":
    main()
