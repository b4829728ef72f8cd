"""The ridge baseline: problems with a known solution, and numpy's least squares beside it."""

import json
import runpy
import sys

import numpy as np
import pytest
from conftest import ROOT

from lenscnn.core import storage
from lenscnn.papers.scutt import ridge
from lenscnn.papers.scutt.metrics import evaluate
from lenscnn.records import provenance
from lenscnn.records.specs import write_spec


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def images_of(rng, n, size=6):
    """Images with a spectrum of variances, shape (n, 1, size, size)."""
    spread = np.linspace(3, 0.5, size * size)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(size * size,) * 2))[0]
    pixels = 5 + (rng.normal(size=(n, size * size)) * spread) @ rotation
    return pixels.reshape(n, 1, size, size).astype(np.float32)


def features_of(images, reference, squares):
    """Standardised scores and squares, by a singular value decomposition in double precision."""
    pixels, training = (values.reshape(len(values), -1).astype(float) for values in
                        (images, reference))  # fmt: skip
    mean = training.mean(axis=0)
    axes = np.linalg.svd(training - mean, full_matrices=False)[2].T

    def raw(values):
        scores = (values - mean) @ axes
        return np.hstack([scores, scores[:, :squares] ** 2])

    return (raw(pixels) - raw(training).mean(axis=0)) / raw(training).std(axis=0)


def by_lstsq(features, targets, penalty):
    """Coefficients of standardised features, from least squares with one more row a feature."""
    n, p = features.shape
    rows = np.vstack([features, np.sqrt(n * penalty) * np.eye(p)])
    padded = np.vstack([targets - targets.mean(axis=0), np.zeros((p, targets.shape[1]))])
    return np.linalg.lstsq(rows, padded, rcond=None)[0]


def test_what_is_linear_in_pixels_or_in_squared_scores_is_found(rng):
    images = images_of(rng, 3000)
    pixels = images.reshape(3000, -1).astype(float)
    linear = pixels @ rng.normal(size=36) + 70
    centered = pixels - pixels[:2500].mean(axis=0)
    score = centered @ np.linalg.svd(centered[:2500], full_matrices=False)[2][0]
    targets = np.column_stack([linear, linear + 3 * score**2])
    model = ridge.fit(images[:2900], targets[:2900], 2500)
    assert (model.penalties == ridge.PENALTIES.min()).all()
    found = ridge.predict(model, images[2900:])
    np.testing.assert_allclose(found, targets[2900:], atol=2e-4 * targets.std())


@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_augmented_least_squares_gives_the_same(rng, monkeypatch, penalty):
    images = images_of(rng, 300)
    targets = rng.normal(size=(300, 2)) + images[:, 0, 0, :2]
    monkeypatch.setattr(ridge, "PENALTIES", np.array([penalty]))
    monkeypatch.setattr(ridge, "SQUARES", 5)
    model = ridge.fit(images[:250], targets[:250], 200)
    coefficients = by_lstsq(features_of(images[:200], images[:200], 5), targets[:200], penalty)
    expected = features_of(images[250:], images[:200], 5) @ coefficients + targets[:200].mean(
        axis=0
    )
    np.testing.assert_allclose(ridge.predict(model, images[250:]), expected, atol=1e-4)


def test_the_penalty_is_the_best_on_the_validation_images(rng):
    """Of each target by itself: one is all but noise, one is plain."""
    images = images_of(rng, 400)
    signal = images[:, 0, 0, :1].astype(float)
    targets = np.hstack([signal + rng.normal(0, 30, (400, 1)), signal])
    model = ridge.fit(images, targets, 150)
    training, validation = (features_of(part, images[:150], ridge.SQUARES)
                            for part in (images[:150], images[150:]))  # fmt: skip
    errors = np.array([
        np.square(validation @ by_lstsq(training, targets[:150], penalty)
                  + targets[:150].mean(axis=0) - targets[150:]).mean(axis=0)
        for penalty in ridge.PENALTIES
    ])  # fmt: skip
    assert list(model.penalties) == list(ridge.PENALTIES[errors.argmin(axis=0)])
    assert model.penalties[0] > 100 * model.penalties[1]


def test_few_images_and_small_chunks_change_nothing(rng, monkeypatch):
    images = images_of(rng, 60)
    targets = images[:, 0, 1, 1:2].astype(float)
    whole = ridge.predict(ridge.fit(images, targets, 30), images)  # fewer than pixels
    assert np.isfinite(whole).all()
    monkeypatch.setattr(ridge, "_ROWS", 7)
    pieces = ridge.predict(ridge.fit(images, targets, 30), images)
    np.testing.assert_allclose(pieces, whole, atol=1e-3)


@pytest.mark.parametrize("n_train", [2, 60])
def test_a_split_without_images_on_one_side_is_refused(rng, n_train):
    images = images_of(rng, 60)
    with pytest.raises(ValueError, match=f"{n_train} of 60 images"):
        ridge.fit(images, images[:, 0, 0, :1], n_train)


def test_the_script_writes_predictions_that_metrics_read(tmp_path, rng, monkeypatch):
    paths, seen = {}, {"population": {"seed": 1}, "view": {"n_pix": 6}}
    for name, n in (("train", 90), ("test_0", 30), ("test_1", 10)):
        images = images_of(rng, n)
        labels = {
            "N": images[:, 0, 0, 0] - images[:, 0, 1, 1],
            "alpha": rng.uniform(-2.5, -1.5, n),
            "subset": np.full(n, "varied"),
        }
        paths[name] = tmp_path / f"{name}.h5"
        origin = provenance.collect(seen | {"n": 90 if name == "train" else 40}, [])
        with storage.ImageWriter(paths[name], labels, (1, 6, 6), origin) as writer:
            writer.write(images)
    spec = {"targets": ["N", "alpha"], "normalise": "image", "validation_fraction": 0.2}
    spec["images"] = seen | {"n": 90}
    out = [tmp_path / f"{name}_seed0.h5" for name in ("ridge_n", "ridge_alpha")]
    arguments = ["--train", paths["train"], "--test", paths["test_0"], paths["test_1"]]
    arguments += [
        "--spec",
        write_spec(spec, tmp_path),
        "--images",
        write_spec(seen | {"n": 40}, tmp_path),
        "--out",
        *out,
    ]
    monkeypatch.setattr(sys, "argv", ["ridge.py", *map(str, arguments)])
    runpy.run_path(str(ROOT / "scripts/ridge.py"), run_name="__main__")
    table = evaluate(out, "fixed", 5)
    assert list(table["estimate"] + table["target"]) == ["ridge_nN", "ridge_alphaalpha"]
    assert list(table["n"]) == [40, 40]
    assert table["correlation"][0] > 0.8
    arrays, attrs = storage.read_h5(out[1])
    assert json.loads(attrs["spec"]) == {"training": spec, "images": seen | {"n": 40}}
    np.testing.assert_array_equal(arrays["true"], arrays["alpha"])
