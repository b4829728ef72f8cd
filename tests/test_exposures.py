"""Exposures against scipy's Poisson distribution, lenstronomy and the noise formula."""

import numpy as np
import pytest
import torch
from scipy import stats

from lenscnn import observation, seeds
from lenscnn.exposures import expose


def _keys(n):
    keys = seeds.image_keys(seeds.stream_key(1, "check", "test", "noise"), np.arange(n))
    return torch.as_tensor(keys.view(np.int64))


@pytest.mark.parametrize("mean", [0.0, 0.03, 2.5, 9.9, 10.0, 40.0, 1e3, 1e6])
def test_poisson_numbers_are_the_quantiles_of_scipy(mean):
    normal = torch.linspace(-5, 5, 20_001, dtype=torch.float64)
    ours = observation.poisson(torch.full_like(normal, mean), normal).numpy()
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
        images = observation.expose(
            torch.zeros(400, 1, 57, 57), background, 2 * visits, 5.0, _keys(400)
        ).double()
        expected = visits * (30 * (sky + 2) + 2 * 25)
        n = images.numel()
        assert images.var().item() == pytest.approx(expected, rel=5 * np.sqrt(2 / n))
        assert abs(images.mean().item()) < 5 * np.sqrt(expected / n)
        neighbours = (images[..., 1:] * images[..., :-1]).mean().item() / expected
        assert abs(neighbours) < 5 / np.sqrt(n)


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
    return {"bands": ["r"], "visits": 1, "lens_light": "kept", "light_of_mass": None} | changes


def _lens_light(population, lenses, band):
    """The lens light of row 0 by lenstronomy, in electrons of one visit."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LightModel.light_model import LightModel

    from lenscnn.conventions import q_phi_to_e1_e2_lenstronomy

    survey, n = population["survey"], population["survey"]["n_pix"]
    scale = survey["pixel_scale"]
    grid = {
        "image_data": np.zeros((n, n)), "background_rms": 1.0, "exposure_time": 1.0,
        "ra_at_xy_0": -scale * (n - 1) / 2, "dec_at_xy_0": -scale * (n - 1) / 2,
        "transform_pix2angle": scale * np.eye(2),
    }  # fmt: skip
    e1, e2 = q_phi_to_e1_e2_lenstronomy(lenses["lens_q"][0], lenses["lens_phi"][0])
    light = LightModel(["SERSIC_ELLIPSE"])
    profile = {
        "amp": 1.0, "R_sersic": lenses["lens_R_sersic"][0], "n_sersic": 2.0, "e1": e1, "e2": e2,
        "center_x": lenses["center_x"][0], "center_y": lenses["center_y"][0],
    }  # fmt: skip
    magnitude = lenses[f"magnitude_lens_{band}"][0]
    electrons = 10 ** (-0.4 * (magnitude - survey["bands"][band]["zero_point"])) * 30.0
    profile["amp"] = electrons / light.total_flux([profile])[0]
    model = ImageModel(
        ImageData(**grid),
        PSF("GAUSSIAN", fwhm=survey["seeing"], pixel_size=scale, truncation=6),
        lens_light_model_class=light,
        kwargs_numerics={"supersampling_factor": 9, "supersampling_convolution": False},
    )
    return model.image(kwargs_lens_light=[profile], source_add=False)


@pytest.mark.parametrize("band", ["g", "i"])
def test_removed_is_kept_less_the_lens_light(population, lenses, band):
    """Same noise, to the electron; what is gone is lenstronomy's image of the lens."""
    lenses = lenses | {f"magnitude_lens_{band}": np.full(6, 16.0)}
    kept = expose(population, "test", _view(bands=[band]), lenses).double()
    removed = expose(population, "test", _view(bands=[band], lens_light="removed"), lenses).double()
    expected = _lens_light(population, lenses, band)
    difference = (kept - removed)[0, 0].numpy()
    assert np.abs(difference - expected).max() < 3e-3 * expected.max()
    # The shot noise of the lens stays: the centre is noisier than the sky.
    inner = removed[..., 27:30, 27:30].std()
    assert inner > 2 * removed[..., :8, :8].std()


def test_bands_are_the_single_band_images(population, lenses):
    gri = expose(population, "test", _view(bands=["i", "r", "g"]), lenses)
    for k, band in enumerate("irg"):
        one = expose(population, "test", _view(bands=[band]), lenses)
        torch.testing.assert_close(gri[:, k : k + 1], one, rtol=0, atol=0)


def test_noise_of_splits_visits_and_bands_is_independent(population, lenses):
    """Blank sky of two images: correlated only where both are the same exposure."""
    dark = lenses | {name: np.full(6, 60.0) for name in lenses if name.startswith("magnitude")}

    def sky(split="test", **changes):
        return expose(population, split, _view(**changes), dark).flatten().numpy()

    one = sky()
    np.testing.assert_allclose(sky(lens_light="removed"), one, atol=1e-3)
    for other in (sky("train"), sky(visits=4), sky(bands=["g"])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(len(one))


def test_scatter_of_the_light_changes_the_light_only(population, lenses):
    light = {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0}
    turned = expose(population, "test", _view(light_of_mass=light), lenses)
    as_drawn = expose(population, "test", _view(), lenses)
    assert not torch.equal(turned, as_drawn)
    aligned = lenses | {"lens_q": lenses["q"], "lens_phi": lenses["phi"]}
    torch.testing.assert_close(expose(population, "test", _view(), aligned), turned)
    removed = [
        expose(population, "test", _view(lens_light="removed", light_of_mass=scatter), lenses)
        for scatter in (None, light)
    ]
    # What is left differs by shot noise of the light alone: nothing at the edges, a little inside.
    difference = (removed[0] - removed[1]).abs()
    assert difference[..., :4, :4].max() < 20
    assert difference.mean() < removed[0].std() / 3


def test_an_image_does_not_depend_on_its_company(population, lenses):
    together = expose(population, "test", _view(bands=["i", "r", "g"]), lenses)
    alone = expose(
        population, "test", _view(bands=["i", "r", "g"]), {k: v[2:3] for k, v in lenses.items()}
    )
    assert torch.equal(together[2:3], alone)


def test_a_band_that_the_survey_lacks_is_named(population, lenses):
    with pytest.raises(ValueError, match="lsst has no band 'VIS'; it has g, r, i"):
        expose(population, "test", _view(bands=["VIS"]), lenses)


@pytest.mark.gpu
def test_a_gpu_takes_the_same_images(population, lenses):
    """Light to rounding; a photon more or less where rounding passes an integer."""
    view = _view(bands=["i", "r", "g"], lens_light="removed")
    here = expose(population, "test", view, lenses)
    there = expose(population, "test", view, lenses, "cuda").cpu()
    assert (here - there).abs().max() < 3
    assert (here - there).abs().mean() < 0.1
