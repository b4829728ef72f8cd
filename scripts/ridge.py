"""Fit a ridge regression to the training images and estimate from the test images."""

import argparse
from pathlib import Path

import numpy as np

from lenscnn.core import storage
from lenscnn.nn import predict
from lenscnn.nn.data import check_origin, label, load_normalised
from lenscnn.papers.scutt import ridge
from lenscnn.records import provenance
from lenscnn.records.specs import read_spec

KEPT = ("N", "alpha", "subset")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", nargs="+", required=True, help="training images, in order")
    parser.add_argument("--test", nargs="+", required=True, help="test images, in order")
    parser.add_argument("--spec", type=read_spec, required=True, help="what to fit to, JSON file")
    parser.add_argument(
        "--images", type=read_spec, required=True, help="spec the test images must have, JSON file"
    )
    parser.add_argument(
        "--out",
        nargs="+",
        type=Path,
        required=True,
        help="files to write, one a target of the spec",
    )
    arguments = parser.parse_args()

    spec = arguments.spec
    check_origin(arguments.train, spec["images"])
    check_origin(arguments.test, arguments.images)
    images, labels = load_normalised(arguments.train, spec["normalise"])
    targets = np.column_stack([label(labels, name, arguments.train[0]) for name in spec["targets"]])
    n_train = len(images) - round(spec["validation_fraction"] * len(images))
    model = ridge.fit(images, targets, n_train)
    del images
    for name, penalty in zip(spec["targets"], model.penalties, strict=True):
        print(
            f"{name}: penalty {penalty:g} of {ridge.PENALTIES.min():g} to {ridge.PENALTIES.max():g}"
        )

    columns = {name: [] for name in ("predicted", *KEPT)}
    for shard in arguments.test:
        images, labels = load_normalised([shard], spec["normalise"])
        columns["predicted"].append(ridge.predict(model, images))
        for name in KEPT:
            columns[name].append(label(labels, name, shard))
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    kept = {name: arrays[name] for name in KEPT}
    made = {"training": spec, "images": arguments.images}
    origin = provenance.collect(made, [*arguments.train, *arguments.test])
    for name, predicted, path in zip(
        spec["targets"], arrays["predicted"].T, arguments.out, strict=True
    ):
        estimate = {"true": arrays[name], "predicted": predicted} | kept
        unit = predict.UNITS.get(name, "dimensionless")
        storage.write_h5(
            path, predict.in_float32(estimate), {"target": name, "unit": unit} | origin
        )


if __name__ == "__main__":
    main()
