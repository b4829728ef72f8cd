"""Exposures against scipy's Poisson distribution, lenstronomy and the noise formula."""

import runpy
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy import stats

from lenscnn.core import storage
from lenscnn.instrument import survey as observation
from lenscnn.instrument.noise import add_detector_noise, add_detector_noise_in_torch, poisson
from lenscnn.instrument.survey import Background
from lenscnn.papers.pearson2019 import images
from lenscnn.papers.pearson2019.images import images_in_chunks, images_of
from lenscnn.papers.pearson2019.lens_light_fit import fit_sersic
from lenscnn.papers.pearson2019.systems import realigned
from lenscnn.records import provenance
from lenscnn.records.specs import write_spec
from lenscnn.rng.streams import image_keys, stream_key


def _keys(n):
    keys = image_keys(stream_key(1, "check", "test", "noise"), np.arange(n))
    return torch.as_tensor(keys.view(np.int64))


@pytest.mark.parametrize("mean", [0.0, 0.03, 2.5, 9.9, 10.0, 40.0, 1e3, 1e6])
def test_poisson_numbers_are_the_quantiles_of_scipy(mean):
    normal = torch.linspace(-5, 5, 20_001, dtype=torch.float64)
    ours = poisson(torch.full_like(normal, mean), normal).numpy()
    z = normal.numpy()
    u = stats.norm.cdf(z)
    # Far out on the right 1 - u is what carries the digits.
    right = stats.poisson.isf(stats.norm.sf(z), mean)
    theirs = np.where(u < 0.5, stats.poisson.ppf(u, mean), right).clip(min=0)
    weight = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    assert np.abs(ours - theirs).max() <= 1
    assert weight[ours != theirs].sum() < (3e-3 if mean < 40 else 1e-3)


def test_noise_of_blank_sky_has_the_variance_of_the_formula():
    """sky + dark + reads * read_noise^2, pixel by pixel, for one visit and for ten."""
    survey = {
        "exposure": 30.0, "pixel_scale": 0.2, "dark_current": 2.0, "reads": 2, "read_noise": 5.0,
        "bands": {"r": {"zero_point": 28.5, "sky": 21.3}},
    }  # fmt: skip
    sky = 10 ** (-0.4 * (21.3 - 28.5)) * 0.04
    for visits in (1, 10):
        background = observation.background(survey, "r", visits)
        images = add_detector_noise(
            torch.zeros(400, 1, 57, 57), background, 2 * visits, 5.0, _keys(400)
        ).double()
        expected = visits * (30 * (sky + 2) + 2 * 25)
        n = images.numel()
        assert images.var().item() == pytest.approx(expected, rel=5 * np.sqrt(2 / n))
        assert abs(images.mean().item()) < 5 * np.sqrt(expected / n)
        neighbours = (images[..., 1:] * images[..., :-1]).mean().item() / expected
        assert abs(neighbours) < 5 / np.sqrt(n)


@pytest.mark.parametrize("mean", [0.0, 3.0, 9.99, 118.0, 2661.0])
def test_compiled_counts_are_those_of_tensors(mean):
    """Also where some pixels of an image have few electrons and others many.

    Two compilers' last bits may put one number in ten million on either side of an integer.
    """
    background, keys = Background(mean, mean + 9), _keys(64)
    rates = 100 * torch.rand((64, 2, 19, 19)) * (torch.rand((64, 2, 19, 19)) < 0.3)
    ours = add_detector_noise(rates, background, 3, 2.5, keys)
    theirs = add_detector_noise_in_torch(rates, background, 2.5 * 3**0.5, keys)
    off = (ours - theirs).abs()
    assert (off > 1e-4).sum() <= 1 and off.max() < 1 + 1e-4
    rates[1, 0, 3, 4] = torch.nan
    assert torch.isnan(add_detector_noise(rates, background, 3, 2.5, keys)).sum() == 1


@pytest.fixture(scope="module")
def lenses():
    n = 6
    rng = np.random.default_rng(5)
    columns = {
        "theta_E": rng.uniform(0.8, 1.6, n), "q": rng.uniform(0.5, 0.9, n),
        "phi": rng.uniform(0, np.pi, n), "center_x": rng.normal(0, 0.1, n),
        "center_y": rng.normal(0, 0.1, n), "source_x": rng.uniform(-0.3, 0.3, n),
        "source_y": rng.uniform(-0.3, 0.3, n), "source_R_sersic": rng.uniform(0.1, 0.3, n),
        "source_n_sersic": np.full(n, 1.0), "source_q": np.full(n, 0.7),
        "source_phi": rng.uniform(0, np.pi, n), "lens_R_sersic": rng.uniform(0.5, 1.0, n),
        "lens_n_sersic": np.full(n, 2.0), "lens_q": rng.uniform(0.6, 0.9, n),
        "lens_phi": rng.uniform(0, np.pi, n), "attempt": np.arange(n),
    }  # fmt: skip
    columns |= {f"magnitude_source_{band}": np.full(n, 24.0 + k) for k, band in enumerate("gri")}
    columns |= {f"magnitude_lens_{band}": np.full(n, 20.0 - k) for k, band in enumerate("gri")}
    return {"index": np.arange(n)} | columns


@pytest.fixture
def population(config):
    paper = config["pearson2019"]
    survey = {"name": "lsst", **paper["surveys"]["lsst"]}
    return {"seed": 1, "draw": "lsst", "survey": survey, "scene": paper["scene"]}


def _view(**changes):
    return {"bands": ["r"], "visits": 1, "lens_light": "kept"} | changes


def _by_lenstronomy(population, lenses, band):
    """Lensed source and lens light of row 0 by lenstronomy, in electrons of one visit."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy

    survey, n = population["survey"], population["survey"]["n_pix"]
    scale = survey["pixel_scale"]
    grid = {
        "image_data": np.zeros((n, n)), "background_rms": 1.0, "exposure_time": 1.0,
        "ra_at_xy_0": -scale * (n - 1) / 2, "dec_at_xy_0": -scale * (n - 1) / 2,
        "transform_pix2angle": scale * np.eye(2),
    }  # fmt: skip
    row = {name: values[0] for name, values in lenses.items()}
    light = LightModel(["SERSIC_ELLIPSE"])

    def ellipse(q, phi):
        return dict(zip(("e1", "e2"), q_phi_to_e1_e2_lenstronomy(q, phi), strict=True))

    def profile(galaxy, x, y):
        shape = {
            "amp": 1.0, "R_sersic": row[f"{galaxy}_R_sersic"],
            "n_sersic": row[f"{galaxy}_n_sersic"], "center_x": x, "center_y": y,
            **ellipse(row[f"{galaxy}_q"], row[f"{galaxy}_phi"]),
        }  # fmt: skip
        magnitude = row[f"magnitude_{galaxy}_{band}"]
        electrons = 10 ** (-0.4 * (magnitude - survey["bands"][band]["zero_point"])) * 30.0
        return [shape | {"amp": electrons / light.total_flux([shape])[0]}]

    x, y = row["center_x"], row["center_y"]
    mass = {"theta_E": row["theta_E"], "center_x": x, "center_y": y}
    model = ImageModel(
        ImageData(**grid),
        PSF("GAUSSIAN", fwhm=survey["seeing"], pixel_size=scale, truncation=6),
        lens_model_class=LensModel(["SIE"]),
        source_model_class=light,
        lens_light_model_class=light,
        kwargs_numerics={"supersampling_factor": 9, "supersampling_convolution": False},
    )
    arguments = (
        [mass | ellipse(row["q"], row["phi"])],
        profile("source", x + row["source_x"], y + row["source_y"]),
        profile("lens", x, y),
    )
    source = model.image(*arguments, lens_light_add=False)
    return source, model.image(*arguments, source_add=False)


def test_chunks_change_no_image(population, lenses, monkeypatch):
    together = images_of(population, "test", _view(), lenses).numpy()
    monkeypatch.setattr(images, "CHUNK", 4)
    chunks = list(images_in_chunks(population, "test", _view(), lenses))
    assert [len(chunk) for chunk in chunks] == [4, 2]
    np.testing.assert_array_equal(np.concatenate(chunks), together)


@pytest.mark.parametrize("visits", [1, 100])
@pytest.mark.parametrize("lens_light", ["kept", "removed"])
def test_pixels_have_the_mean_and_variance_of_the_magnitudes(
    population, lenses, lens_light, visits
):
    """Of many exposures of a lens off the centre; sky, dark current and read noise by hand."""
    n = 32
    system = {name: np.repeat(values[:1], n) for name, values in lenses.items()} | {
        "index": np.arange(n), "center_x": np.full(n, 0.7), "center_y": np.full(n, -0.5),
        "lens_n_sersic": np.ones(n), "magnitude_source_r": np.full(n, 24.5),
        "magnitude_lens_r": np.full(n, 22.5),
    }  # fmt: skip
    source, light = (visits * image for image in _by_lenstronomy(population, system, "r"))
    sky = 10 ** (-0.4 * (21.3 - 28.5)) * 0.2**2
    variance = source + light + visits * (30 * (sky + 2) + 2 * 5**2)
    expected = source + light if lens_light == "kept" else source
    images = images_of(population, "test", _view(visits=visits, lens_light=lens_light), system)
    z = (images[:, 0].double().numpy() - expected) / np.sqrt(variance)
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert z.std() == pytest.approx(1, abs=5 / np.sqrt(2 * z.size))
    assert np.abs(z.mean(axis=0)).max() < 6 / np.sqrt(n)


@pytest.mark.parametrize("band", ["g", "i"])
def test_removed_is_kept_less_the_lens_light(population, lenses, band):
    """Same noise, to the electron; what is gone is lenstronomy's image of the lens."""
    lenses = lenses | {f"magnitude_lens_{band}": np.full(6, 16.0)}
    kept = images_of(population, "test", _view(bands=[band]), lenses).double()
    removed = images_of(
        population, "test", _view(bands=[band], lens_light="removed"), lenses
    ).double()
    _, expected = _by_lenstronomy(population, lenses, band)
    difference = (kept - removed)[0, 0].numpy()
    assert np.abs(difference - expected).max() < 3e-3 * expected.max()
    # The shot noise of the lens stays: the centre is noisier than the sky.
    inner = removed[..., 27:30, 27:30].std()
    assert inner > 2 * removed[..., :8, :8].std()


def test_fit_knows_the_noise_of_the_stack(population, lenses):
    """What is subtracted is the fit to the image, with the variance of the background by hand."""
    two = {name: values[:2] for name, values in lenses.items()}
    kept = images_of(population, "test", _view(visits=100), two)
    fitted = images_of(population, "test", _view(visits=100, lens_light="fitted"), two)
    sky = 10 ** (-0.4 * (21.3 - 28.5)) * 0.2**2
    variance = 100 * (30 * (sky + 2) + 2 * 5**2)
    model, _ = fit_sersic(kept, variance, population["survey"], population["scene"])
    torch.testing.assert_close(kept - fitted, model, rtol=0, atol=1)


def test_bands_are_the_single_band_images(population, lenses):
    gri = images_of(population, "test", _view(bands=["i", "r", "g"]), lenses)
    for k, band in enumerate("irg"):
        one = images_of(population, "test", _view(bands=[band]), lenses)
        torch.testing.assert_close(gri[:, k : k + 1], one, rtol=0, atol=0)


def test_noise_of_splits_visits_and_bands_is_independent(population, lenses):
    """Blank sky of two images: correlated only where both are the same exposure."""
    dark = lenses | {name: np.full(6, 60.0) for name in lenses if name.startswith("magnitude")}

    def sky(split="test", **changes):
        return images_of(population, split, _view(**changes), dark).flatten().numpy()

    one = sky()
    np.testing.assert_allclose(sky(lens_light="removed"), one, atol=1e-3)
    for other in (sky("train"), sky(visits=4), sky(bands=["g"])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(len(one))


def test_scatter_of_the_light_changes_the_light_only(population, lenses):
    light = {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0}
    turned_lenses = realigned(population, "test", lenses, light)
    turned = images_of(population, "test", _view(), turned_lenses)
    as_drawn = images_of(population, "test", _view(), lenses)
    assert not torch.equal(turned, as_drawn)
    aligned = lenses | {"lens_q": lenses["q"], "lens_phi": lenses["phi"]}
    torch.testing.assert_close(images_of(population, "test", _view(), aligned), turned)
    removed = [
        images_of(population, "test", _view(lens_light="removed"), columns)
        for columns in (lenses, turned_lenses)
    ]
    # What is left differs by shot noise of the light alone: nothing at the edges, a little inside.
    difference = (removed[0] - removed[1]).abs()
    assert difference[..., :4, :4].max() < 20
    assert difference.mean() < removed[0].std() / 3


def test_an_image_does_not_depend_on_its_company(population, lenses):
    together = images_of(population, "test", _view(bands=["i", "r", "g"]), lenses)
    alone = images_of(
        population, "test", _view(bands=["i", "r", "g"]), {k: v[2:3] for k, v in lenses.items()}
    )
    assert torch.equal(together[2:3], alone)


def test_a_band_that_the_survey_lacks_is_named(population, lenses):
    with pytest.raises(ValueError, match="lsst has no band 'VIS'; it has g, r, i"):
        images_of(population, "test", _view(bands=["VIS"]), lenses)


def test_a_catalogue_without_magnitudes_is_to_be_drawn_again(population, lenses):
    for galaxy in ("source", "lens"):
        old = {k: v for k, v in lenses.items() if k != f"magnitude_{galaxy}_r"}
        with pytest.raises(ValueError, match="no magnitudes in band 'r'.*older.*draw again"):
            images_of(population, "test", _view(), old)


def test_unknown_lens_light_is_refused(population, lenses):
    with pytest.raises(ValueError, match="'keep' is unknown; it may be kept, removed, fitted"):
        images_of(population, "test", _view(lens_light="keep"), lenses)


@pytest.mark.parametrize("lens_light", ["kept", "removed", "fitted"])
def test_no_lenses_are_no_images(population, lenses, lens_light):
    none = {name: values[:0] for name, values in lenses.items()}
    view = _view(bands=["i", "r", "g"], lens_light=lens_light)
    assert images_of(population, "test", view, none).shape == (0, 3, 57, 57)


def test_labels_are_those_of_the_light_in_the_image(population, lenses, tmp_path, monkeypatch):
    """Where a view turns the lens light, its shard says so."""
    catalogue, out = tmp_path / "catalogue.h5", tmp_path / "images.h5"
    storage.write_h5(catalogue, lenses, provenance.collect(population, []) | {"split": "test"})
    light = {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0}
    for scatter in (None, light):
        view = _view() | {"light_of_mass": scatter}
        spec = {"population": population, "view": view, "split": "test", "n": len(lenses["q"])}
        command = [
            "", "--catalogue", catalogue, "--spec", write_spec(spec, tmp_path), "--rows", 1, 4,
            "--out", out, "--device", "cpu",
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        runpy.run_path(str(ROOT / "scripts/pearson2019_images.py"))
        images, labels, _ = storage.load_images([out])
        theirs = {name: values[1:4] for name, values in lenses.items()}
        if scatter:
            theirs |= {"lens_q": theirs["q"], "lens_phi": theirs["phi"]}
        for name, values in theirs.items():
            np.testing.assert_allclose(labels[name], values, err_msg=name)
        expected = images_of(population, "test", _view(), theirs)
        torch.testing.assert_close(torch.as_tensor(images), expected)
