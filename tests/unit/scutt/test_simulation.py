"""Images end to end: against lenstronomy, and the same however the work is cut up."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from lenscnn.core import storage
from lenscnn.instrument.noise import add_noise, noise_sigma
from lenscnn.lensing import lenstronomy_reference
from lenscnn.nn.data import normalise
from lenscnn.papers.scutt import images
from lenscnn.papers.scutt import images as simulation
from lenscnn.papers.scutt import population as scutt
from lenscnn.records.specs import write_spec
from lenscnn.rng.streams import image_keys


@pytest.mark.parametrize("name", ["fixed", "lowres", "varied"])
def test_scene_is_lenstronomys(population, view, name):
    draw = "varied" if name == "varied" else "fixed"
    spec, camera = population(draw=draw), view(name)
    lenses = scutt.draw_lenses(spec, "check", np.arange(3), None)
    _, x, y, theta_E, bounds = scutt.draw_subhaloes(spec, lenses)
    images = simulation.scene(spec, camera, lenses).numpy()
    for k in range(3):
        own = slice(bounds[k], bounds[k + 1])
        expected = lenstronomy_reference.image(
            {key: float(lenses[key][k])
             for key in ("theta_E", "q", "phi", "center_x", "center_y")},
            (x[own], y[own], theta_E[own]),
            {"sigma": camera["source_sigma"], "center_x": 0.0, "center_y": 0.0},
            camera["n_pix"], camera["pixel_scale"], camera["supersampling"],
            camera["psf_sigma"],
        )  # fmt: skip
        assert np.abs(images[k, 0] - expected).max() < 1e-4 * expected.max()


def test_an_image_does_not_depend_on_its_batch(population, view):
    spec = population(draw="varied")
    lenses = scutt.draw_lenses(spec, "some", np.arange(6), None)
    together = images.simulate(spec, view("varied"), lenses)
    for k in (0, 3):
        alone = {name: values[k : k + 1] for name, values in lenses.items()}
        assert torch.equal(images.simulate(spec, view("varied"), alone)[0], together[k])


@pytest.mark.parametrize("n_threads", [1, 3])
def test_subhaloes_drawn_ahead_are_the_images_own(population, view, monkeypatch, n_threads):
    spec = population(draw="varied")
    lenses = scutt.draw_lenses(spec, "some", np.arange(11), None)
    together = simulation.simulate(spec, view("varied"), lenses)
    monkeypatch.setitem(simulation.CHUNK, "cpu", 2)
    torch.set_num_threads(n_threads)
    chunks = simulation.simulate_in_chunks(spec, view("varied"), lenses, torch.device("cpu"))
    images = list(chunks)
    torch.set_num_threads(1)
    assert [len(chunk) for chunk in images] == [2] * 5 + [1]
    np.testing.assert_array_equal(np.concatenate(images), together)


def test_no_more_is_drawn_ahead_than_there_are_threads():
    taken = []
    results = images._ahead(lambda k: 10 * k, (taken.append(k) or k for k in itertools.count()), 3)
    assert next(results) == 0 and taken == [0, 1, 2, 3]
    assert next(results) == 10 and taken == [0, 1, 2, 3, 4]
    taken.clear()
    alone = images._ahead(lambda k: k, (taken.append(k) or k for k in itertools.count()), 1)
    assert next(alone) == 0 and taken == [0]
    with pytest.raises(ZeroDivisionError):
        list(images._ahead(lambda k: 1 / k, [2, 1, 0, 1], 2))


def test_views_of_one_draw_share_the_lens(population, view):
    """The coarse image is the fine one binned, but for where each samples the light."""
    spec = population()
    lenses = scutt.draw_lenses(spec, "pair", np.arange(4), None)
    camera = {"supersampling": 4, "psf_sigma": 0.14}
    fine = images.scene(spec, view("fixed", **camera), lenses)
    coarse = images.scene(spec, view("lowres", **camera), lenses)
    binned = torch.nn.functional.avg_pool2d(fine, 2)
    assert (binned - coarse).abs()[..., 2:-2, 2:-2].max() < 0.01


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
def test_ring_radius_shows_the_subhaloes(population, view, law):
    """Mean ring radius at alpha -1.5, -2, -2.5 (specification, section 1.3)."""
    expected = {"powerlaw": (1.82, 2.02, 2.30), "decades": (1.74, 1.76, 1.80)}[law]
    for alpha, radius in zip((-1.5, -2.0, -2.5), expected, strict=True):
        spec = population(law)
        lenses = scutt.draw_lenses(spec, "ring", np.arange(60), alpha)
        camera = view("fixed", source_sigma=0.1, n_pix=64)
        image = images.scene(spec, camera, lenses).mean((0, 1))
        centers = (torch.arange(64) - 31.5) * 0.1
        r = torch.hypot(centers[:, None], centers[None, :])
        # Light-weighted radius of a thin ring.
        assert float((image * r).sum() / image.sum()) == pytest.approx(radius, abs=0.08)


DEFINITIONS = {
    "integrated": lambda flat: flat.sum(1) / (300 * np.sqrt(flat.shape[1])),
    "integrated_bright": lambda flat: np.array(
        [row[row > row.max() / 2].sum() / (300 * np.sqrt((row > row.max() / 2).sum()))
         for row in flat]
    ),
    "peak": lambda flat: flat.max(1) / 300,
    "peak_fraction": lambda flat: 0.02 * flat.max(1),
}  # fmt: skip


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_noise_has_the_strength_asked_for(definition):
    images = torch.rand(3, 1, 60, 60, generator=torch.Generator().manual_seed(1)) ** 2
    sigma = noise_sigma(images, definition, 300.0, 0.02)
    expected = DEFINITIONS[definition](images.flatten(1).numpy())
    np.testing.assert_allclose(sigma, expected, rtol=1e-5)
    keys = torch.as_tensor(image_keys(9, np.arange(3)).view(np.int64))
    noise = (add_noise(images, sigma, keys) - images).flatten(1)
    # The standard deviation of n numbers is known to 1 / sqrt(2 n).
    np.testing.assert_allclose(noise.std(1) / sigma, 1, atol=5 / np.sqrt(2 * 3600))
    assert torch.all(noise.mean(1).abs() < 5 * sigma / 60)


def test_noise_of_the_whole_stamp_is_the_specified_fraction(population, view):
    """sigma / peak = 0.133 for the fixed geometry, worked out with the specification."""
    spec = population("decades")
    lenses = scutt.draw_lenses(spec, "noise", np.arange(200), None)
    images = simulation.scene(spec, view("fixed"), lenses)
    fraction = noise_sigma(images, "integrated", 300.0, 0.02) / images.amax((1, 2, 3))
    assert float(fraction.mean()) == pytest.approx(0.133, rel=0.05)


def test_unknown_noise_is_named():
    with pytest.raises(ValueError, match="'loud' is unknown"):
        noise_sigma(torch.ones(1, 1, 2, 2), "loud", 300.0, 0.02)


def test_normalise():
    images = torch.tensor([[[[1.0, 3.0], [2.0, 5.0]]], [[[7.0, 7.0], [7.0, 7.0]]]])
    expected = torch.tensor([[[[0.0, 0.5], [0.25, 1.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    assert torch.equal(normalise(images, "image"), expected)
    colours = torch.cat([images[:1], 3 * images[:1] + 1], dim=1)
    by_band = normalise(colours, "band")
    assert torch.equal(by_band, expected[:1].expand(1, 2, 2, 2))
    by_image = normalise(colours, "image")
    assert torch.equal(by_image[0, 0], (images[0, 0] - 1) / 15) and by_image[0, 1].max() == 1


SUBSETS = [
    {"name": "varied", "n": 10, "alpha": None},
    {"name": "alpha-1.6", "n": 7, "alpha": -1.6},
]


def _run(script, *args):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / script, *map(str, args)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def catalogue(tmp_path, population):
    path = tmp_path / "test.h5"
    done = _run("population.py", "--spec", write_spec(population(draw="varied"), tmp_path),
                "--subsets", write_spec(SUBSETS, tmp_path), "--out", path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


def _simulate(catalogue, view, out, first, end, threads=1, device="cpu", **changes):
    population = json.loads(storage.read_attrs(catalogue)["spec"]) | changes
    spec = {"population": population, "view": view, "subsets": SUBSETS, "n": 17}
    spec = write_spec(spec, catalogue.parent)
    return _run("simulate.py", "--catalogue", catalogue, "--spec", spec,
                "--rows", first, end, "--out", out, "--device", device,
                "--threads", threads)  # fmt: skip


def test_a_catalogue_of_another_split_is_refused(tmp_path, catalogue, view, monkeypatch):
    monkeypatch.setitem(globals(), "SUBSETS", SUBSETS[:1])
    done = _simulate(catalogue, view("varied"), tmp_path / "s.h5", 0, 3)
    assert done.returncode != 0 and not (tmp_path / "s.h5").exists()
    assert f"{catalogue} is of another data set: subsets is " in done.stderr


def test_a_catalogue_of_another_population_is_refused(tmp_path, catalogue, view):
    done = _simulate(catalogue, view("varied"), tmp_path / "s.h5", 0, 3, substructure_fraction=0.2)
    assert done.returncode != 0 and not (tmp_path / "s.h5").exists()
    assert (
        f"{catalogue} was drawn with other settings: population.substructure_fraction is 0.1 "
        "there, and 0.2 is expected: delete" in done.stderr
    )


@pytest.mark.slow
def test_shards_and_cores_change_nothing(tmp_path, catalogue, view):
    camera = view("varied")
    for out, first, end, threads in (("all", 0, 17, 1), ("a", 0, 9, 2), ("b", 9, 17, 1)):
        done = _simulate(catalogue, camera, tmp_path / f"{out}.h5", first, end, threads)
        assert done.returncode == 0, done.stderr
    whole, labels, _ = storage.load_images([tmp_path / "all.h5"])
    parts, part_labels, _ = storage.load_images([tmp_path / "a.h5", tmp_path / "b.h5"])
    np.testing.assert_array_equal(whole, parts)
    for name in labels:
        np.testing.assert_array_equal(labels[name], part_labels[name])
    assert list(np.unique(labels["subset"])) == ["alpha-1.6", "varied"]
    assert np.all(labels["alpha"][labels["subset"] == "alpha-1.6"] == -1.6)


def test_shard_says_what_it_was_made_from(tmp_path, catalogue, view):
    assert _simulate(catalogue, view("varied"), tmp_path / "s.h5", 0, 3).returncode == 0
    _, _, attrs = storage.load_images([tmp_path / "s.h5"])
    spec = json.loads(attrs["spec"])
    assert spec["view"] == view("varied") and spec["population"]["seed"] == 3
    assert json.loads(attrs["inputs"]).keys() == {"test.h5"}
    assert attrs["device"].startswith("cpu (")


def test_cuda_asked_for_and_absent(tmp_path, catalogue, view):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    done = _simulate(catalogue, view("varied"), tmp_path / "s.h5", 0, 3, device="cuda")
    assert done.returncode != 0 and "`device` is 'cuda'" in done.stderr
    assert not (tmp_path / "s.h5").exists()
