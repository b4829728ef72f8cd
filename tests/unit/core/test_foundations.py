"""Conventions, cosmology, random numbers, provenance."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from astropy.cosmology import FlatLambdaCDM
from conftest import ROOT
from lenstronomy.Util.param_util import phi_q2_ellipticity
from scipy import stats

from lenscnn.core import cosmology
from lenscnn.core.conventions import pixel_centers, q_phi_to_e1_e2_lenstronomy
from lenscnn.records import provenance
from lenscnn.rng import kernels
from lenscnn.rng.normal import _normal_in_torch, standard_normal
from lenscnn.rng.streams import image_keys, stream_key, uniforms


def test_ellipticity_is_lenstronomys():
    q, phi = np.array([0.2, 0.5, 0.78, 1.0]), np.array([0.0, 0.3, -1.2, 2.0])
    ours = q_phi_to_e1_e2_lenstronomy(q, phi)
    np.testing.assert_allclose(ours, phi_q2_ellipticity(phi, q), atol=1e-15)


def test_pixel_centers_span_the_stamp():
    x = pixel_centers(4, 0.5)
    np.testing.assert_allclose(x, [-0.75, -0.25, 0.25, 0.75])


@pytest.mark.parametrize("omega_m", [0.2865, 0.32, 1.0])
def test_distance_ratio_is_astropys(omega_m):
    # Without radiation, as ours.
    reference = FlatLambdaCDM(70, omega_m, Tcmb0=0)
    z = np.array([1.05, 1.77, 3.0, 6.0])
    expected = (
        reference.angular_diameter_distance(np.full(4, 1.0), z)
        / reference.angular_diameter_distance(z)
    ).value
    np.testing.assert_allclose(cosmology.distance_ratio(1.0, z, omega_m), expected, rtol=1e-8)


def test_source_before_the_lens_is_refused():
    with pytest.raises(ValueError, match="not behind the lens"):
        cosmology.distance_ratio(1.0, [1.5, 0.9], 0.3)


def test_hash_is_splitmix64():
    # The first outputs of the published algorithm for state 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    ours = [int(kernels.splitmix64(np.uint64(1234567), np.uint64(k))) for k in range(3)]
    assert ours == published


def test_array_and_scalar_uniforms_are_the_same():
    stream, index = stream_key(1, "a", "b", "c"), np.arange(50)
    keys = image_keys(stream, index)
    for counter in (0, 1, 77):
        scalar = [kernels.uniform(key, np.uint64(counter)) for key in keys]
        np.testing.assert_array_equal(uniforms(stream, index, counter), scalar)


def test_uniforms_are_uniform_over_images_and_counters():
    stream = stream_key(5, "fixed", "train", "mass")
    over_images = uniforms(stream, np.arange(100_000), 0)
    key = image_keys(stream, np.array([7]))[0]
    over_counters = np.array([kernels.uniform(key, np.uint64(k)) for k in range(100_000)])
    for sample in (over_images, over_counters):
        assert stats.kstest(sample, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 4 / np.sqrt(len(sample))


@pytest.mark.parametrize("change", [(2, "a", "b", "c"), (1, "x", "b", "c"), (1, "a", "x", "c")])
def test_streams_differ(change):
    assert stream_key(*change) != stream_key(1, "a", "b", "c")


def _keys(n):
    keys = image_keys(stream_key(1, "a", "b", "noise"), np.arange(n))
    return torch.as_tensor(keys.view(np.int64))


def test_normals_are_normal_and_independent():
    numbers = standard_normal(_keys(400), 901)
    assert numbers.shape == (400, 901)
    flat = numbers.double().numpy().ravel()
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    assert abs(stats.kurtosis(flat)) < 5 * np.sqrt(24 / flat.size)
    correlations = np.corrcoef(numbers.numpy().T)[np.triu_indices(901, 1)]
    assert np.abs(correlations.mean()) < 5 / np.sqrt(400 * correlations.size)
    np.testing.assert_allclose(correlations.std(), 1 / np.sqrt(400), rtol=0.02)


def test_an_images_normals_do_not_depend_on_its_batch():
    keys = _keys(10)
    together = standard_normal(keys, 100)
    for k in range(10):
        assert torch.equal(standard_normal(keys[k : k + 1], 100)[0], together[k])


def test_normals_use_the_published_hash():
    """First number of an image from the hash by hand, in Python's integers."""
    key = int(_keys(1)[0]) % 2**64
    z = int(kernels.splitmix64(np.uint64(key), np.uint64(0)))
    u1, u2 = ((z >> 40) + 0.5) / 2**24, ((z & 0xFFFFFF) + 0.5) / 2**24
    expected = np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2)
    assert float(standard_normal(_keys(1), 2)[0, 0]) == pytest.approx(expected, abs=2e-6)


def test_provenance_tells_inputs_apart(tmp_path):
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    first = provenance.collect({"x": 1}, [tmp_path / "a"])
    assert first == provenance.collect({"x": 1}, [tmp_path / "a"])
    assert first["inputs"] != provenance.collect({"x": 1}, [tmp_path / "b"])["inputs"]
    assert first["spec"] != provenance.collect({"x": 2}, [tmp_path / "a"])["spec"]
    assert "numpy" in first["libraries"]


def test_normal_numbers_are_those_of_double_precision_on_every_device():
    keys = torch.as_tensor(image_keys(3, np.arange(50)).view(np.int64))
    compiled = standard_normal(keys, 3600).numpy()
    in_torch = _normal_in_torch(keys, 1800).numpy()
    z = np.array([
        [kernels.splitmix64(key, np.uint64(k)) for k in range(1800)]
        for key in keys.numpy().view(np.uint64)
    ], np.uint64)  # fmt: skip
    # In single precision k + 1/2 is rounded, which is part of the definition.
    u = ((z >> np.uint64(40)).astype(np.float32) + np.float32(0.5)).astype(float) / 2**24
    radius = np.sqrt(-2 * np.log(u))
    angle = 2 * np.pi * ((z & np.uint64(0xFFFFFF)).astype(float) + 0.5) / 2**24
    exact = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), 1)
    assert np.abs(compiled - exact).max() < 2e-6
    assert np.abs(in_torch - exact).max() < 4e-6


def test_the_tests_of_a_gpu_can_be_collected_on_a_bare_machine():
    absent = ("lenstronomy", "astropy", "speclite", "snakemake")
    collect = (
        f"import sys, pytest; sys.modules.update(dict.fromkeys({absent})); "
        "sys.exit(pytest.main(['--collect-only', 'tests/gpu/test_gpu.py']))"
    )
    done = subprocess.run([sys.executable, "-c", collect], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "test_a_gpu_trains" in done.stdout, done.stdout
