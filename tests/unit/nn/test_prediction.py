"""Estimates from mirrored images: against shapes in closed form and the matrices of the mirrors."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from lenscnn.core import storage
from lenscnn.nn import predict
from lenscnn.nn.data import load_normalised, scale
from lenscnn.nn.network import build
from lenscnn.nn.train import Trained, save_network
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.records import provenance
from lenscnn.records.specs import write_spec

CPU = torch.device("cpu")
TARGETS = ["e2", "theta_E", "e1"]
META = {
    "spec": {"targets": TARGETS, "scalars": [], "label_range": 10.0, "autocast": "float32"},
    # Zero is nowhere near the middle of these, nor of the outputs.
    "scaling": {"theta_E": (0.2, 3.0), "e1": (-0.5, 0.9), "e2": (-0.7, 0.4)},
    "image_shape": (1, 31, 31),
}
IMAGES = {"population": {"seed": 1}, "view": {"n_pix": 31}, "n": 80}
X, Y = np.meshgrid(np.arange(31) - 15.0, np.arange(31) - 15.0)
MIRROR_MATRICES = ([[-1, 0], [0, 1]], [[1, 0], [0, -1]], [[0, 1], [1, 0]])  # x, y, diagonal


class Moments(torch.nn.Module):
    """Measures size and shape of an image from its second moments, scaled like the targets."""

    def forward(self, images, scalars=None):
        image = images[:, 0].double().numpy()
        xx, yy, xy = ((image * w).sum((1, 2)) for w in (X * X, Y * Y, X * Y))
        flux = image.sum((1, 2))
        values = {
            "theta_E": np.sqrt((xx + yy) / flux) / 4,
            "e1": (xx - yy) / (xx + yy),
            "e2": 2 * xy / (xx + yy),
        }
        scaled = [10 * scale(values[name], META["scaling"][name]) for name in TARGETS]
        return torch.from_numpy(np.column_stack(scaled))


def blobs(n, seed=1):
    """Elongated blobs, float32 (n, 1, 31, 31), and their e1, e2."""
    rng = np.random.default_rng(seed)
    phi, q = rng.uniform(0, np.pi, n), rng.uniform(0.6, 0.95, n)
    cos, sin = np.cos(phi)[:, None, None], np.sin(phi)[:, None, None]
    u, v = X * cos + Y * sin, Y * cos - X * sin
    images = np.exp(-(u**2 + (v / q[:, None, None]) ** 2) / 32)
    e1, e2 = q_phi_to_e1_e2_pearson(q, phi)
    return images.astype(np.float32)[:, None], e1, e2


def matrix_of(mirrors):
    matrix = np.eye(2, dtype=int)
    for wanted, mirror in zip(mirrors, MIRROR_MATRICES, strict=True):
        matrix = np.array(mirror) @ matrix if wanted else matrix
    return matrix


def test_the_eight_symmetries_are_those_of_a_square():
    found = {matrix_of(mirrors).tobytes() for mirrors in predict.SYMMETRIES}
    every = [np.array([[a, b], [c, d]]) for a, b, c, d in itertools.product([-1, 0, 1], repeat=4)]
    square = [m for m in every if (m @ m.T == np.eye(2)).all()]
    assert found == {matrix.tobytes() for matrix in square}
    assert len(found) == len(predict.SYMMETRIES) == 8
    assert (matrix_of(predict.SYMMETRIES[0]) == np.eye(2)).all()


def test_what_measures_shapes_measures_the_same_in_every_mirror():
    images, e1, e2 = blobs(300)
    network = Moments()
    each = predict.predict_mirrored(network, META, images, None, CPU)
    assert each.shape == (8, 300, 3)
    np.testing.assert_array_equal(each[0], predict.predict(network, META, images, None, CPU))
    np.testing.assert_allclose(each, np.broadcast_to(each[:1], each.shape), atol=1e-6)
    np.testing.assert_allclose(each[5][:, [2, 0]], np.column_stack([e1, e2]), atol=2e-3)


def test_estimates_in_a_mirror_are_turned_back_as_a_tensor():
    """For a network that knows no symmetry: images moved pixel by pixel, shapes by a matrix."""
    image_shape, targets = (2, 9, 9), ["theta_E", "e1", "e2"]
    architecture = {"filters": [3, 3], "kernels": [3, 3], "pool_after": [1], "dense": 8,
                    "dropout": 0.1}  # fmt: skip
    spec = META["spec"] | {"targets": targets, "network": architecture}
    network = build(spec, image_shape)
    meta = META | {"spec": spec, "image_shape": image_shape}
    images = np.random.default_rng(2).random((20, *image_shape), np.float32)
    each = predict.predict_mirrored(network, meta, images, None, CPU)
    for mirrors, found in zip(predict.SYMMETRIES, each, strict=True):
        matrix = matrix_of(mirrors)
        moved = np.empty_like(images)
        for x, y in itertools.product(range(-4, 5), repeat=2):
            new_x, new_y = matrix @ (x, y)
            moved[:, :, new_y + 4, new_x + 4] = images[:, :, y + 4, x + 4]
        theta_E, e1, e2 = predict.predict(network, meta, moved, None, CPU).T
        shape = np.array([[e1, e2], [e2, -e1]])  # of spin 2
        shape = np.einsum("ji,jkn,kl->iln", matrix, shape, matrix)
        expected = np.column_stack([theta_E, shape[0, 0], shape[0, 1]])
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.ptp(each, axis=0).min() > 1e-5


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_is_the_single_pass_bit_for_bit(channels):
    image_shape = (channels, 17, 17)
    architecture = {"filters": [16, 16], "kernels": [5, 3], "pool_after": [1], "dense": 32,
                    "dropout": 0.1}  # fmt: skip
    spec = META["spec"] | {"network": architecture}
    network = build(spec, image_shape)
    meta = META | {"spec": spec, "image_shape": image_shape}
    images = np.random.default_rng(3).random((300, *image_shape), np.float32)  # more than a batch
    first = predict.predict_mirrored(network, meta, images, None, CPU)[0]
    single = predict.predict(network, meta, images, None, CPU)
    assert first.tobytes() == single.tobytes()


def test_scalars_go_with_their_images():
    image_shape = (1, 9, 9)
    architecture = {"filters": [3], "kernels": [3], "pool_after": [1], "dense": 8, "dropout": 0.0}
    spec = META["spec"] | {"targets": ["alpha"], "scalars": ["N"], "network": architecture}
    scaling = {"alpha": (-3.0, 1.0), "N": (0.0, 300.0)}
    meta = META | {"spec": spec, "image_shape": image_shape, "scaling": scaling}
    network = build(spec, image_shape)
    rng = np.random.default_rng(4)
    images, n = rng.random((260, *image_shape), np.float32), rng.uniform(0, 300, (260, 1))
    each = predict.predict_mirrored(network, meta, images, n, CPU)
    single = predict.predict(network, meta, images, n, CPU)
    np.testing.assert_array_equal(each[0], single)
    turned = np.ascontiguousarray(np.rot90(images, 2, (2, 3)))
    expected = predict.predict(network, meta, turned, n, CPU)
    np.testing.assert_allclose(each[predict.SYMMETRIES.index((True, True, False))], expected)


def test_what_cannot_be_mirrored_is_refused():
    images = blobs(2)[0]
    spec = META["spec"] | {"targets": ["theta_E", "phi"]}
    with pytest.raises(ValueError, match="does not say how phi is mirrored"):
        predict.predict_mirrored(Moments(), META | {"spec": spec}, images, None, CPU)
    with pytest.raises(ValueError, match="only square images"):
        predict.predict_mirrored(Moments(), META, images[:, :, :20], None, CPU)


INDEX = 2**24 + 1 + np.arange(80)
"""Of images; float32 does not hold each of these."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two shards of 40 blobs and an untrained network of one epoch."""
    folder = tmp_path_factory.mktemp("mirrors")
    images, e1, e2 = blobs(80)
    origin = provenance.collect(IMAGES, [])
    labels = {"theta_E": np.linspace(0.5, 2, 80), "e1": e1, "e2": e2, "index": INDEX}
    for k, rows in enumerate((slice(0, 40), slice(40, 80))):
        part = {name: values[rows] for name, values in labels.items()}
        with storage.ImageWriter(folder / f"{k}.h5", part, (1, 31, 31), origin) as writer:
            writer.write(images[rows])
    architecture = {"filters": [4], "kernels": [5], "pool_after": [1], "dense": 8, "dropout": 0.0}
    spec = META["spec"] | {"normalise": "image", "network": architecture}
    state = build(spec, (1, 31, 31)).state_dict()
    weights = Trained(state, 1, META["scaling"], [])
    save_network(folder / "w.pt", weights, spec, (1, 31, 31), {})
    return folder, spec


def run_script(folder, spec, out, *options):
    shards = [str(folder / f"{k}.h5") for k in range(2)]
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "scripts" / "predict.py"), *options,
            "--weights", str(folder / "w.pt"), "--spec", write_spec(spec, folder),
            "--shards", *shards,
            "--n-from", "none", "--n-settings", write_spec(None, folder), "--keep", "index",
            "--images", write_spec(IMAGES, folder), "--out", str(folder / out), "--device", "cpu",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return storage.read_h5(folder / out)


@pytest.mark.slow
def test_files_hold_the_mean_beside_the_single_pass(trained):
    folder, spec = trained
    plain, attrs = run_script(folder, spec, "plain.h5")
    assert set(plain) == {"true", "predicted", "index"}
    np.testing.assert_array_equal(plain["index"], INDEX, strict=True)  # integers, as in the images
    assert plain["true"].dtype == np.float32
    assert json.loads(attrs["spec"])["mirrors"] is False
    both, attrs = run_script(folder, spec, "both.h5", "--mirrors")
    assert set(both) == {"true", "predicted", "predicted_mirrors", "index"}
    assert json.loads(attrs["spec"])["mirrors"] is True
    for name, values in plain.items():
        np.testing.assert_array_equal(both[name], values)

    network, meta = predict.load_network(folder / "w.pt", spec)
    shards = [folder / f"{k}.h5" for k in range(2)]
    images, _ = load_normalised(shards, "image")
    # The same eight another way: quarter turns, and those of the image mirrored in y.
    total = np.zeros((80, 3))
    for flipped, turns in itertools.product([False, True], range(4)):
        seen = images[:, :, ::-1] if flipped else images
        seen = np.ascontiguousarray(np.rot90(seen, turns, (2, 3)))
        estimate = dict(
            zip(TARGETS, predict.predict(network, meta, seen, None, CPU).T, strict=True)
        )
        ellipticity = (estimate["e1"] + 1j * estimate["e2"]) * (-1) ** turns
        ellipticity = ellipticity.conj() if flipped else ellipticity
        total += np.column_stack([ellipticity.imag, estimate["theta_E"], ellipticity.real])
    np.testing.assert_allclose(both["predicted_mirrors"], total / 8, atol=1e-6)
    assert np.abs(both["predicted_mirrors"] - both["predicted"]).max() > 1e-3


def test_one_target_has_no_columns(trained, tmp_path):
    folder, spec = trained
    spec = spec | {"targets": ["theta_E"]}
    network = build(spec, (1, 31, 31))
    meta = META | {"spec": spec}
    shards = [folder / f"{k}.h5" for k in range(2)]
    arrays = predict.predict_shards(network, meta, shards, "none", ["index"], CPU, mirrors=True)
    assert arrays["predicted_mirrors"].shape == arrays["predicted"].shape == (80,)
