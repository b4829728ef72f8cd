"""Derivatives of images against differences of torch's and of lenstronomy's images."""

import math

import numpy as np
import pytest
import torch
from test_sersic import SURVEYS, draw_scene, only

from lenscnn.lensing import lenstronomy_reference
from lenscnn.lensing.derivatives import differentiate_galaxies
from lenscnn.lensing.sersic_galaxies import render_galaxies, render_sersic


def numbers(galaxy):
    return {key: values.numpy() for key, values in galaxy.items()}


def shifted(galaxy, key, step):
    return galaxy | {key: galaxy[key] + step}


def errors(derivative, difference):
    """Largest pixel of what they differ by over the largest derivative, image by image."""
    return np.abs(difference - derivative).max((1, 2)) / np.abs(derivative).max((1, 2))


@pytest.mark.parametrize("step, tolerance", [(1e-3, 2e-4), (1e-4, 2e-6)])
def test_derivatives_are_central_differences(step, tolerance):
    """Of the images in double precision of `render_galaxies`, on a grid that does not change."""
    camera = 21, 0.2, 2, 0.3, math.inf
    lens, source, light = draw_scene(np.random.default_rng(4), 3, torch.float64, (0.8, 1.5))
    lens = {key: values.clamp(max=0.95) if key == "q" else values for key, values in lens.items()}
    images, by_lens, by_source = differentiate_galaxies(numbers(lens), numbers(source), *camera)
    plain = render_galaxies(lens, source, None, *camera)[0][:, 0].numpy()
    np.testing.assert_allclose(images, plain, rtol=1e-10, atol=1e-12)

    def difference(of_lens, key):
        drawn = [
            render_galaxies(
                *(shifted(lens, key, s), source) if of_lens else (lens, shifted(source, key, s)),
                None, *camera,
            )[0][:, 0].numpy()
            for s in (step, -step)
        ]  # fmt: skip
        return (drawn[0] - drawn[1]) / (2 * step)

    for of_lens, derivatives in ((True, by_lens), (False, by_source)):
        for key, derivative in derivatives.items():
            # Sub-pixels beside the lens's centre make differences in it rough.
            allowed = 30 * tolerance if of_lens and key.startswith("center") else tolerance
            assert errors(derivative, difference(of_lens, key)).max() < 10 * allowed, key


@pytest.mark.parametrize("survey", SURVEYS)
def test_quartered_derivatives_are_differences_of_finer_images(survey):
    """De Vaucouleurs cusps: a square is as fine for the derivatives as for the image."""
    n_pix, pixel_scale, psf_sigma = survey
    lens, source, _ = draw_scene(np.random.default_rng(6), 3, torch.float64, (3.0, 4.5))
    camera = n_pix, pixel_scale, 1, psf_sigma
    _, by_lens, by_source = differentiate_galaxies(numbers(lens), numbers(source), *camera, 1e-6)
    for key in ("theta_E", "phi", "center_y"):
        up, down = (
            render_galaxies(shifted(lens, key, s), source, None, *camera, 1e-7)[0][:, 0]
            for s in (1e-4, -1e-4)
        )
        error = np.linalg.norm(((up - down) / 2e-4).numpy() - by_lens[key], axis=(1, 2))
        assert (error < 0.03 * np.linalg.norm(by_lens[key], axis=(1, 2))).all(), key
    up, down = (
        render_galaxies(lens, shifted(source, "n_sersic", s), None, *camera, 1e-7)[0][:, 0]
        for s in (1e-4, -1e-4)
    )
    error = np.linalg.norm(((up - down) / 2e-4).numpy() - by_source["n_sersic"], axis=(1, 2))
    assert (error < 0.03 * np.linalg.norm(by_source["n_sersic"], axis=(1, 2))).all()


@pytest.mark.slow
def test_derivatives_are_those_of_lenstronomys_images():
    n_pix, pixel_scale, supersampling, psf_sigma = 41, 0.1, 5, 0.08
    lens, source, light = draw_scene(np.random.default_rng(8), 2, torch.float64, (1.0, 2.0))
    camera = n_pix, pixel_scale, supersampling, psf_sigma
    _, by_lens, by_source = differentiate_galaxies(
        numbers(lens), numbers(source), *camera, math.inf
    )
    centred = {**light, "center_x": lens["center_x"], "center_y": lens["center_y"]}
    _, none, by_light = differentiate_galaxies(None, numbers(centred), *camera, math.inf)
    assert none == {}
    step, found = 1e-4, {"lens": by_lens, "source": by_source, "light": by_light}
    for b in range(2):
        scene = {"lens": only(lens, b), "source": only(source, b), "light": only(light, b)}
        for galaxy, key in (
            ("lens", "theta_E"), ("lens", "q"), ("lens", "phi"), ("source", "center_x"),
            ("source", "R_sersic"), ("source", "n_sersic"), ("source", "q"), ("source", "phi"),
            ("light", "R_sersic"), ("light", "n_sersic"), ("light", "q"), ("light", "phi"),
        ):  # fmt: skip
            drawn = []
            for s in (step, -step):
                moved = scene | {galaxy: scene[galaxy] | {key: scene[galaxy][key] + s}}
                pair = lenstronomy_reference.galaxy_images(*moved.values(), *camera)
                drawn.append(pair[galaxy == "light"])
            theirs = (drawn[0] - drawn[1]) / (2 * step)
            ours = found[galaxy][key][b]
            assert np.abs(theirs - ours).max() < 2e-3 * np.abs(ours).max(), (galaxy, key)


def test_light_alone_is_differentiated_in_all_its_parameters():
    _, _, light = draw_scene(np.random.default_rng(2), 2, torch.float64, (2.0, 5.0))
    light |= {"center_x": torch.tensor([0.03, -0.1]).double(), "center_y": torch.zeros(2).double()}
    camera = 31, 0.1, 1, 0.07
    _, _, by = differentiate_galaxies(None, numbers(light), *camera, 1e-6)
    for key, derivative in by.items():
        up, down = (
            render_sersic(shifted(light, key, s), *camera, 1e-8)[:, 0].numpy()
            for s in (1e-4, -1e-4)
        )
        assert errors(derivative, (up - down) / 2e-4).max() < 0.02, key


def test_a_round_lens_is_refused():
    lens, source, _ = (numbers(g) for g in draw_scene(np.random.default_rng(1), 2, torch.float64))
    with pytest.raises(ValueError, match="no position angle"):
        differentiate_galaxies(lens | {"q": np.array([0.7, 1.0])}, source, 9, 0.1, 1, 0.1)
