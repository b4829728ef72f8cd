"""Lens light fitted to images: against the truth that drew them, ours and lenstronomy's."""

import math

import numpy as np
import pytest
import torch

from lenscnn.instrument.survey import FWHM, background, electrons
from lenscnn.lensing import lenstronomy_reference
from lenscnn.lensing.checks import LENS_KEYS
from lenscnn.lensing.sersic_galaxies import GALAXY_KEYS, render_galaxies, render_sersic
from lenscnn.papers.pearson2019 import lens_light_fit
from lenscnn.papers.pearson2019.lens_light_fit import PARAMETERS, fit_sersic

CAMERAS = {  # survey, band, and what its lenses have: magnitudes, R_sersic (arcsec)
    "vis": ("euclid", "VIS", (22.9, 17.8), (0.35, 1.4)),
    "r": ("lsst", "r", (22.0, 17.0), (0.43, 1.95)),
}


@pytest.fixture(params=CAMERAS)
def camera(request, config):
    """Survey, scene, variance of the background, and a drawn scene of 24 lenses."""
    name, band, magnitudes, radii = CAMERAS[request.param]
    survey, scene = config["pearson2019"]["surveys"][name], config["pearson2019"]["scene"]
    n, rng = 24, np.random.default_rng(5)
    size = rng.uniform(0, 1, n)  # the larger, the brighter

    def tensors(**columns):
        return {
            k: torch.tensor(np.broadcast_to(v, n).astype(np.float32)) for k, v in columns.items()
        }

    light = tensors(
        R_sersic=radii[0] * (radii[1] / radii[0]) ** size,
        n_sersic=rng.normal(4, 0.5, n),
        q=rng.uniform(0.3, 1, n),
        phi=rng.uniform(0, np.pi, n),
        center_x=rng.normal(0, survey["pixel_scale"], n),
        center_y=rng.normal(0, survey["pixel_scale"], n),
    )
    theta_E = 1.4 * radii[0] * (radii[1] / radii[0]) ** size
    source = tensors(
        R_sersic=0.3 * theta_E, n_sersic=4, q=0.7, phi=rng.uniform(0, np.pi, n),
        center_x=light["center_x"] + torch.tensor(0.2 * theta_E), center_y=light["center_y"],
    )  # fmt: skip
    lens = {**{key: light[key] for key in LENS_KEYS[1:]}, **tensors(theta_E=theta_E)}
    zero_point = survey["bands"][band]["zero_point"]
    magnitude = magnitudes[0] + (magnitudes[1] - magnitudes[0]) * size
    flux = electrons(magnitude, zero_point, survey)
    source_flux = electrons(magnitude + 4, zero_point, survey)  # before lensing
    arcs, stars, _ = render_galaxies(
        lens,
        source,
        {key: light[key] for key in ("R_sersic", "n_sersic", "q", "phi")},
        *arguments(survey, scene),
    )
    return {
        "survey": survey,
        "scene": scene,
        "variance": background(survey, band).variance,
        "light": light,
        "flux": flux,
        "lens_light": stars * torch.tensor(flux).float()[:, None, None, None],
        "arcs": arcs * torch.tensor(source_flux).float()[:, None, None, None],
    }


def arguments(survey, scene):
    return (
        survey["n_pix"],
        survey["pixel_scale"],
        scene["supersampling"],
        survey["seeing"] / FWHM,
        scene["tolerance"],
    )


def noisy(camera, images):
    rng, variance = np.random.default_rng(6), camera["variance"]
    return torch.tensor(rng.poisson(images.double() + variance) - variance).float()


def fit(camera, images, **scene):
    return fit_sersic(images, camera["variance"], camera["survey"], camera["scene"] | scene)


def assert_recovered(found, light, flux, tolerance):
    """Relative in flux and radius; turned by little where the galaxy is long."""
    assert found["converged"].all()
    light = {key: values.double().numpy() for key, values in light.items()}
    np.testing.assert_allclose(found["flux"], flux, rtol=tolerance)
    np.testing.assert_allclose(found["R_sersic"], light["R_sersic"], rtol=tolerance)
    for key in ("n_sersic", "center_x", "center_y", "q"):
        np.testing.assert_allclose(found[key], light[key], rtol=tolerance, atol=tolerance)
    turned = np.sin(found["phi"] - light["phi"]) * (1 - light["q"])
    np.testing.assert_allclose(turned, 0, atol=tolerance)


def residual(images, truth):
    """Root mean square of what is left of the lens light, over that of the lens light."""
    return (((images - truth) ** 2).sum((1, 2, 3)) / (truth**2).sum((1, 2, 3))).sqrt().numpy()


# Galaxies without a lens


def test_an_unlensed_galaxy_is_the_lens_light(camera):
    light, survey = camera["light"], camera["survey"]
    images = render_sersic(light, *arguments(survey, camera["scene"]))
    flux = torch.tensor(camera["flux"]).float()[:, None, None, None]
    assert torch.equal(images * flux, camera["lens_light"])


def test_no_galaxies_are_no_images():
    images = render_sersic(dict.fromkeys(GALAXY_KEYS, torch.zeros(0)), 9, 0.1, 1, 0.07)
    assert images.shape == (0, 1, 9, 9)


@pytest.mark.parametrize(
    "change, tolerance, message",
    [
        ({"q": torch.tensor([1.2])}, 1e-6, "light q must lie"),
        ({"phi": torch.zeros(1).double()}, 1e-6, "one dtype"),
        ({"center_x": torch.zeros(2)}, 1e-6, "light center_x has shape"),
        ({"theta_E": torch.ones(1)}, 1e-6, "light must have the keys"),
        ({}, 0.0, "tolerance"),
    ],
)
def test_bad_galaxies_are_refused(change, tolerance, message):
    light = dict.fromkeys(GALAXY_KEYS, torch.full((1,), 0.5)) | change
    with pytest.raises(ValueError, match=message):
        render_sersic(light, 9, 0.1, 1, 0.07, tolerance)


# Fits


def test_a_galaxy_without_noise_is_recovered(camera):
    models, found = fit(camera, camera["lens_light"])
    assert set(found) == {*PARAMETERS, "converged"} and models.dtype == torch.float32
    assert_recovered(found, camera["light"], camera["flux"], 1e-3)
    assert residual(models, camera["lens_light"]).max() < 1e-4
    assert ((found["phi"] >= 0) & (found["phi"] <= np.pi)).all()


@pytest.mark.parametrize("n_sersic", [0.8, 2.5, 6.0])
def test_other_profiles_are_recovered(camera, n_sersic):
    light = {key: values[:6] for key, values in camera["light"].items()}
    light["n_sersic"] = torch.full((6,), n_sersic)
    light["q"] = torch.tensor([0.15, 0.3, 0.5, 0.8, 0.99, 1.0])
    images = 1e5 * render_sersic(light, *arguments(camera["survey"], camera["scene"]))
    _, found = fit(camera, images)
    assert_recovered(found, light, 1e5, 5e-3)


@pytest.mark.parametrize(
    "supersampling, scene, tolerance",
    [(3, {"supersampling": 3, "tolerance": math.inf}, 1e-3), (25, {}, 0.01)],
)
def test_lenstronomys_galaxies_are_recovered(camera, supersampling, scene, tolerance):
    survey, light = camera["survey"], {k: v[::8] for k, v in camera["light"].items()}
    psf_sigma, images = survey["seeing"] / FWHM, []
    for b in range(3):
        one = {key: float(values[b]) for key, values in light.items()}
        lens = {"theta_E": 1.0, "q": 0.8, "phi": 0.0, **{k: one[k] for k in LENS_KEYS[3:]}}
        shape = {key: one[key] for key in ("R_sersic", "n_sersic", "q", "phi")}
        _, image = lenstronomy_reference.galaxy_images(
            lens, one, shape, survey["n_pix"], survey["pixel_scale"], supersampling, psf_sigma
        )
        images.append(torch.tensor(camera["flux"][::8][b] * image).float())
    _, found = fit(camera, torch.stack(images)[:, None], **scene)
    assert_recovered(found, light, camera["flux"][::8], tolerance)


def test_noisy_galaxies_are_fitted_to_their_noise(camera):
    images = noisy(camera, camera["lens_light"])
    models, found = fit(camera, images)
    chi2 = ((images - models) ** 2 / (camera["variance"] + images.clamp(min=0))).mean((1, 2, 3))
    assert found["converged"].all()
    assert 0.85 < chi2.min() and chi2.max() < 1.1
    left = residual(models, camera["lens_light"])
    assert np.median(left) < 0.03 and left.max() < 0.2


def test_arcs_leave_a_little_of_the_lens_light(camera):
    images = noisy(camera, camera["lens_light"] + camera["arcs"])
    models, found = fit(camera, images)
    without, _ = fit(camera, noisy(camera, camera["lens_light"]))
    assert found["converged"].all()
    left = residual(models, camera["lens_light"])
    assert left.min() > 1e-3 and np.median(left) < 0.2 and left.max() < 1
    assert np.median(left) > 1.5 * np.median(residual(without, camera["lens_light"]))


def test_a_fit_does_not_depend_on_its_batch_or_on_threads(camera):
    images = noisy(camera, camera["lens_light"] + camera["arcs"])[:6]
    models, found = fit(camera, images)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        backwards = fit(camera, images.flip(0))
    finally:
        torch.set_num_threads(before)
    alone = fit(camera, images[2:3])
    for other, rows, own in [(backwards, slice(None, None, -1), slice(None)), (alone, [0], [2])]:
        np.testing.assert_array_equal(other[0].numpy()[rows], models.numpy()[own])
        for name, values in found.items():
            np.testing.assert_array_equal(other[1][name][rows], values[own])


# What is no galaxy


def test_anything_finite_gets_a_model_within_the_ranges(camera):
    n_pix, rng = camera["survey"]["n_pix"], np.random.default_rng(7)
    images = np.zeros((9, 1, n_pix, n_pix))
    images[1:5] += np.array([1, -100, 1e6, 1e-20])[:, None, None, None]
    images[5, 0, 3, 50] = 1e6  # a hot pixel
    images[6] = rng.normal(0, camera["variance"] ** 0.5, images[6].shape)
    images[7:] = 100 * rng.standard_cauchy(images[7:].shape)
    models, found = fit(camera, torch.tensor(images).float())
    assert torch.isfinite(models).all()
    assert all(np.isfinite(values).all() for values in found.values())
    half = n_pix * camera["survey"]["pixel_scale"] / 2
    for name, low, high in [
        ("n_sersic", *lens_light_fit.N_SERSIC),
        ("R_sersic", lens_light_fit.SMALLEST_R, 2 * half),
        ("q", lens_light_fit.SMALLEST_Q, 1),
        ("center_x", -half, half),
        ("center_y", -half, half),
    ]:
        assert low - 1e-9 <= found[name].min() and found[name].max() <= high + 1e-9


def test_a_fit_cut_short_is_marked_and_gives_its_best(camera, monkeypatch):
    images = noisy(camera, camera["lens_light"])[:4]
    weight = 1 / (camera["variance"] + images.clamp(min=0))

    def chi2(evaluations):
        monkeypatch.setattr(lens_light_fit, "_EVALUATIONS", evaluations)
        models, found = fit(camera, images)
        assert found["converged"].all() == (evaluations == 100)
        return ((images - models) ** 2 * weight).sum((1, 2, 3))

    start, cut, end = chi2(1), chi2(4), chi2(100)
    assert bool((end <= cut).all() and (cut < start).all())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_pixels_that_are_not_finite_are_refused(camera, bad):
    images = camera["lens_light"].clone()
    images[3, 0, 10, 20] = images[7, 0, 0, 0] = bad
    with pytest.raises(ValueError, match="image 3 has pixels .* 2 of 24 images"):
        fit(camera, images)


def test_other_shapes_and_variances_are_refused(camera):
    with pytest.raises(ValueError, match="not \\(B, 1, 57, 57\\)"):
        fit(camera, camera["lens_light"][:, :, :-1])
    with pytest.raises(ValueError, match="variance"):
        fit_sersic(camera["lens_light"], 0.0, camera["survey"], camera["scene"])


def test_no_images_are_no_fits(camera):
    models, found = fit(camera, camera["lens_light"][:0])
    assert models.shape == camera["lens_light"][:0].shape
    assert all(len(values) == 0 for values in found.values())
