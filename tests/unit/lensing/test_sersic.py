"""Images of galaxies against lenstronomy, SciPy's integrals, closed forms, finite differences."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LensModel.Solver.epl_shear_solver import caustics_epl_shear
from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver
from scipy.integrate import dblquad, quad
from scipy.special import gammainc

from lenscnn.core.conventions import q_phi_to_e1_e2_lenstronomy
from lenscnn.lensing import lenstronomy_reference
from lenscnn.lensing.caustics import critical_curve, tangential_caustic
from lenscnn.lensing.checks import LENS_KEYS
from lenscnn.lensing.kernels import elementary
from lenscnn.lensing.light import sersic, sersic_b
from lenscnn.lensing.sersic_galaxies import SERSIC_KEYS, render_galaxies

FWHM = 2 * math.sqrt(2 * math.log(2))
SURVEYS = [(57, 0.1, 0.17 / FWHM), (57, 0.2, 0.7 / FWHM)]  # pixels, arcsec a pixel, PSF


def draw(rng, n, ranges, dtype):
    return {key: torch.tensor(rng.uniform(*r, n), dtype=dtype) for key, r in ranges.items()}


def draw_scene(rng, n, dtype=torch.float32, n_sersic=(1.0, 6.0)):
    """Lens, source and lens light; the source is inside the Einstein radius."""
    lens = draw(rng, n, {"theta_E": (0.6, 2), "q": (0.3, 1), "phi": (-3, 3)}, dtype)
    shape = {"n_sersic": n_sersic, "q": (0.25, 1), "phi": (-3, 3)}
    source = draw(rng, n, {"R_sersic": (0.1, 0.6), **shape}, dtype)
    light = draw(rng, n, {"R_sersic": (0.4, 1.5), **shape}, dtype)
    for axis in ("center_x", "center_y"):
        lens |= draw(rng, n, {axis: (-0.2, 0.2)}, dtype)
        source[axis] = lens[axis] + torch.tensor(rng.uniform(-0.4, 0.4, n), dtype=dtype)
    return lens, source, light


def only(values, b):
    """One image's parameters as lenstronomy takes them: plain numbers in double precision."""
    return {key: float(value[b]) for key, value in values.items()}


def part(scene, rows):
    return [{key: value[rows] for key, value in values.items()} for values in scene]


def converted(scene, dtype):
    return [{key: value.to(dtype) for key, value in values.items()} for values in scene]


def area(x, y):
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


# Light


@pytest.mark.parametrize("n_sersic", [0.5, 1.0, 4.0, 8.0])
def test_sersic_has_unit_flux(n_sersic):
    R, q, phi = 0.7, 0.6, 0.4
    parameters = [torch.tensor(v).double() for v in (R, n_sersic, q, phi, 0.2, -0.1)]

    def along_ray(r, angle):
        point = 0.2 + r * math.cos(angle), -0.1 + r * math.sin(angle)
        return float(sersic(*(torch.tensor(p).double() for p in point), *parameters)) * r

    def in_scaled_radius(t, angle):  # r = t^n makes the cusp smooth
        return along_ray(t**n_sersic, angle) * n_sersic * t ** (n_sersic - 1)

    # Brightness depends on R alone, so one ray on the major axis does: r = R / sqrt(q).
    end = 60 * R ** (1 / n_sersic) / float(sersic_b(parameters[1]))  # where I is e^-60 of I_0
    flux = quad(in_scaled_radius, 0, end, args=(phi,), limit=200)[0]
    assert flux * 2 * math.pi * q == pytest.approx(1, rel=1e-4)


def test_sersic_on_all_rays_agrees_with_its_axis():
    # What the flux above takes for granted, over the plane, for a profile without a cusp.
    parameters = [torch.tensor(v).double() for v in (0.7, 0.5, 0.6, 0.4, 0.2, -0.1)]

    def at(y, x):
        return float(sersic(torch.tensor(x).double(), torch.tensor(y).double(), *parameters))

    assert dblquad(at, -4, 4, -4, 4, epsabs=1e-5)[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("n_sersic", [0.6, 1.0, 2.5, 4.0, 8.0])
def test_half_of_the_light_is_within_R_sersic(n_sersic):
    b = float(sersic_b(torch.tensor(n_sersic).double()))
    assert gammainc(2 * n_sersic, b) == pytest.approx(0.5, abs=0.01)


def test_sersic_gradients_are_finite_differences():
    x, y = torch.tensor([0.4, -0.3, 0.0]).double(), torch.tensor([0.1, 0.9, -0.6]).double()
    values = [torch.tensor(v).double().requires_grad_() for v in (0.7, 3.5, 0.6, 0.4, 0.05, -0.1)]
    assert torch.autograd.gradcheck(lambda *v: sersic(x, y, *v), values, eps=1e-6, atol=1e-6)


def test_gradient_at_the_centre_is_finite():
    values = [torch.tensor(v, requires_grad=True) for v in (0.7, 4.0, 0.6, 0.4, 0.0, 0.0)]
    zero = torch.zeros(())
    gradients = torch.autograd.grad(sersic(zero, zero, *values), values, allow_unused=True)
    assert all(torch.isfinite(g) for g in gradients)


def test_compiled_powers_are_numpys():
    x = np.geomspace(1e-30, 1e30, 20001).astype(np.float32)
    log2 = np.array([elementary.log2(v) for v in x[::20]])
    np.testing.assert_allclose(log2, np.log2(x[::20].astype(float)), rtol=2e-7, atol=2e-7)
    y = np.linspace(-125, 126, 1001).astype(np.float32)
    exp2 = np.array([elementary.exp2(v) for v in y])
    np.testing.assert_allclose(exp2, np.exp2(y.astype(float)), rtol=3e-7)


# Images


@pytest.mark.slow
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-7), (torch.float32, 1e-4)])
@pytest.mark.parametrize("supersampling", [1, 3])
@pytest.mark.parametrize("n_sersic", [1.0, 2.5, 4.0, 5.5])
@pytest.mark.parametrize("survey", SURVEYS)
def test_images_are_lenstronomys(survey, n_sersic, supersampling, dtype, tolerance):
    n_pix, pixel_scale, psf_sigma = survey
    camera = n_pix, pixel_scale, supersampling, psf_sigma
    exact = draw_scene(np.random.default_rng(1), 2, torch.float64, (n_sersic, n_sersic))
    sources, lenses, _ = render_galaxies(*converted(exact, dtype), *camera, math.inf)
    assert sources.shape == lenses.shape == (2, 1, n_pix, n_pix) and sources.dtype == dtype
    for b in range(2):
        theirs = lenstronomy_reference.galaxy_images(
            *(only(values, b) for values in exact), *camera
        )
        for ours, image in zip((sources[b, 0], lenses[b, 0]), theirs, strict=True):
            assert np.abs(ours.double().numpy() - image).max() < tolerance * image.max()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_quartered_images_are_lenstronomys_with_very_many_sub_pixels(dtype):
    n_pix, pixel_scale, psf_sigma = 15, 0.1, 0.17 / FWHM
    scene = draw_scene(np.random.default_rng(2), 3, torch.float64, (2.5, 4.0))
    for axis in ("center_x", "center_y"):  # a compact lens, to have it all on a small stamp
        scene[1][axis] = scene[0][axis] + 0.3 * (scene[1][axis] - scene[0][axis])
    scene[0]["theta_E"] = scene[0]["theta_E"] / 4
    fine = converted(scene, dtype)
    coarse = render_galaxies(*fine, n_pix, pixel_scale, 2, psf_sigma, math.inf)
    quartered = render_galaxies(*fine, n_pix, pixel_scale, 2, psf_sigma, 1e-7)
    for b in range(3):
        theirs = lenstronomy_reference.galaxy_images(
            *(only(values, b) for values in scene), n_pix, pixel_scale, 60, psf_sigma
        )
        for kind, image in enumerate(theirs):

            def error(images, kind=kind, image=image, b=b):
                return np.abs(images[kind][b, 0].double().numpy() - image).max() / image.max()

            assert error(quartered) < 2e-3 < error(coarse)


@pytest.mark.parametrize("n_sersic", [2.0, 4.0])
def test_pixels_of_the_lens_are_scipys_integrals(n_sersic):
    # A round galaxy right on a pixel's centre: that pixel's flux is an integral over an octant.
    R, side = 0.5, 0.1
    b = float(sersic_b(torch.tensor(n_sersic).double()))

    def octant(angle):
        return gammainc(2 * n_sersic, b * (side / 2 / math.cos(angle) / R) ** (1 / n_sersic))

    expected = 8 * quad(octant, 0, math.pi / 4)[0] / (2 * math.pi)
    one = torch.ones(1)
    lens = {
        "theta_E": one,
        "q": 0.7 * one,
        "phi": 0 * one,
        "center_x": 0 * one,
        "center_y": 0 * one,
    }
    light = {"R_sersic": R * one, "n_sersic": n_sersic * one, "q": one, "phi": 0 * one}
    source = {**light, "center_x": 0 * one, "center_y": 0 * one}
    _, images, _ = render_galaxies(lens, source, light, 57, side, 1, 0.0, 1e-8)
    assert float(images[0, 0, 28, 28]) == pytest.approx(expected, rel=1e-4)


def test_a_stamp_that_holds_the_galaxy_holds_its_flux():
    scene = draw_scene(np.random.default_rng(3), 4, n_sersic=(0.8, 1.5))
    _, lenses, _ = render_galaxies(*scene, 301, 0.15, 1, 0.2, 1e-8)
    np.testing.assert_allclose(lenses.sum((1, 2, 3)).numpy(), 1, rtol=1e-4)


def test_magnification_of_a_small_source_is_that_of_its_point_images():
    n = 6
    lens, source, _ = draw_scene(np.random.default_rng(4), n, torch.float64, (1, 1))
    lens["theta_E"], lens["q"] = lens["theta_E"].clamp(max=1.3), lens["q"].clamp(min=0.6)
    source["R_sersic"] = torch.full_like(source["q"], 1e-3)
    # Between the axes, where the caustic is nearest the centre: inside of it and outside.
    beta, angle = lens["theta_E"] * torch.linspace(0.02, 0.6, n), lens["phi"] + 0.7
    source["center_x"] = lens["center_x"] + beta * torch.cos(angle)
    source["center_y"] = lens["center_y"] + beta * torch.sin(angle)
    _, none, magnification = render_galaxies(lens, source, None, 57, 0.1, 1, 0.07, 1e-7)
    assert none is None
    for b in range(n):
        main = only(lens, b)
        e1, e2 = q_phi_to_e1_e2_lenstronomy(main.pop("q"), main.pop("phi"))
        kwargs = [{**main, "e1": e1, "e2": e2}]
        model = LensModel(["SIE"])
        place = float(source["center_x"][b]), float(source["center_y"][b])
        x, y = LensEquationSolver(model).image_position_from_source(
            *place, kwargs, min_distance=0.02, search_window=6, precision_limit=1e-9
        )
        expected = np.abs(model.magnification(x, y, kwargs)).sum()
        assert float(magnification[b]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("tolerance", [math.inf, 1e-4])
def test_image_gradients_are_finite_differences(tolerance):
    scene = draw_scene(np.random.default_rng(5), 2, torch.float64, (1.0, 3.0))

    def images(*values):
        values = iter(values)
        again = [{key: next(values) for key in part} for part in scene]
        return render_galaxies(*again, 6, 0.9, 2, 0.6, tolerance)

    values = [v.requires_grad_() for part in scene for v in part.values()]
    assert torch.autograd.gradcheck(images, values, eps=1e-7, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("tolerance", [math.inf, 1e-6])
def test_images_with_a_gradient_are_the_compiled_ones(tolerance):
    scene = draw_scene(np.random.default_rng(6), 4)
    camera = 57, 0.1, 2, 0.07, tolerance
    without = render_galaxies(*scene, *camera)
    scene[0]["q"].requires_grad_()
    with_gradient = render_galaxies(*scene, *camera)
    assert with_gradient[0].requires_grad and not without[0].requires_grad
    for ours, theirs in zip(without, with_gradient, strict=True):
        scale = ours.flatten(1).amax(1) if ours.dim() > 1 else ours
        difference = (ours - theirs.detach()).reshape(4, -1).abs().amax(1)
        assert bool((difference < 1e-4 * scale).all())


@pytest.mark.parametrize("survey", SURVEYS)
def test_an_image_does_not_depend_on_its_batch_or_on_threads(survey):
    n_pix, pixel_scale, psf_sigma = survey
    camera = n_pix, pixel_scale, 2, psf_sigma
    scene = draw_scene(np.random.default_rng(7), 7)
    batch = render_galaxies(*scene, *camera)
    for b in range(0, 7, 3):
        one = slice(b, b + 1)
        alone = render_galaxies(*part(scene, one), *camera)
        assert all(torch.equal(a[one], b) for a, b in zip(batch, alone, strict=True))
    source_alone = render_galaxies(*scene[:2], None, *camera)
    assert torch.equal(source_alone[0], batch[0]) and torch.equal(source_alone[2], batch[2])
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        threaded = render_galaxies(*scene, *camera)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(batch, threaded, strict=True))


@pytest.mark.slow
def test_a_process_that_compiles_draws_what_one_that_reads_the_cache_draws(tmp_path):
    program = (
        "import sys, numpy as np; from test_sersic import *;"
        "images = render_galaxies(*draw_scene(np.random.default_rng(11), 4), 57, 0.1, 1, 0.07);"
        "np.savez(sys.argv[1], *images)"
    )
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[2] / "src")])
    drawn = []
    for name in ("compiling.npz", "reading.npz"):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
        command = [sys.executable, "-c", program, str(tmp_path / name)]
        subprocess.run(command, check=True, env=environment)
        drawn.append(list(np.load(tmp_path / name).values()))
    for ours, again in zip(*drawn, strict=True):
        np.testing.assert_array_equal(ours, again)


@pytest.mark.parametrize("where", ["lens theta_E", "lens center_x", "source phi", "light phi"])
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_number_shows_in_its_image_alone(where, requires_grad, bad):
    scene = draw_scene(np.random.default_rng(8), 3)
    name, key = where.split()
    scene[("lens", "source", "light").index(name)][key][1] = bad
    scene[1]["q"].requires_grad_(requires_grad)
    sources, lenses, magnification = render_galaxies(*scene, 15, 0.4, 1, 0.3)
    shown = lenses if name == "light" else sources
    assert torch.isnan(shown[1]).all() and torch.isfinite(shown[::2]).all()
    assert name == "light" or torch.isnan(magnification[1])


def test_first_axis_is_y_and_second_is_x():
    one = torch.ones(1)
    lens = dict.fromkeys(LENS_KEYS, 0 * one) | {"q": one}
    source = {"R_sersic": 0.2 * one, "n_sersic": 2 * one, "q": one, "phi": 0 * one}
    light = dict(source)
    source |= {"center_x": one, "center_y": -2 * one}
    lens |= {"center_x": -one, "center_y": 0.5 * one}
    for image, (x, y) in zip(
        render_galaxies(lens, source, light, 61, 0.1, 1, 0.07), [(1, -2), (-1, 0.5)], strict=False
    ):
        row, column = divmod(int(image.argmax()), 61)
        assert (column, row) == (30 + 10 * x, 30 + 10 * y)


def test_an_empty_batch_renders_to_no_images():
    none = torch.zeros(0)
    light = dict.fromkeys(SERSIC_KEYS, none)
    source = light | {"center_x": none, "center_y": none}
    camera = 57, 0.1, 1, 0.07
    images = render_galaxies(dict.fromkeys(LENS_KEYS, none), source, light, *camera)
    assert [i.shape for i in images] == [(0, 1, 57, 57), (0, 1, 57, 57), (0,)]


@pytest.mark.parametrize(
    "which, change, message",
    [
        (0, {"q": torch.tensor([0.5, 1.2])}, "lens q"),
        (0, {"theta_E": torch.ones(2).double()}, "one dtype"),
        (1, {"R_sersic": torch.tensor([0.5, 0.0])}, "source R_sersic"),
        (1, {"n_sersic": torch.tensor([math.nan, 1.0])}, "source n_sersic"),
        (1, {"sigma": torch.ones(2)}, "source must have the keys"),
        (2, {"q": torch.ones(3)}, "lens_light q has shape"),
        (2, {"center_x": torch.ones(2)}, "lens_light must have the keys"),
    ],
)
def test_bad_galaxies_are_refused(which, change, message):
    scene = draw_scene(np.random.default_rng(10), 2)
    scene[which].update(change)
    with pytest.raises(ValueError, match=message):
        render_galaxies(*scene, 57, 0.1, 1, 0.07)


def test_a_tolerance_that_is_not_positive_is_refused():
    scene = draw_scene(np.random.default_rng(10), 2)
    with pytest.raises(ValueError, match="tolerance"):
        render_galaxies(*scene, 57, 0.1, 1, 0.07, 0.0)


# Critical curve and caustic


@pytest.mark.parametrize("q", [0.3, 0.6, 0.95])
def test_critical_curve_encloses_the_einstein_area_and_is_critical(q):
    theta_E, phi = 1.3, 0.5
    x, y = critical_curve(theta_E, q, phi, 2000)
    assert area(x, y) == pytest.approx(math.pi * theta_E**2, rel=1e-5)
    e1, e2 = q_phi_to_e1_e2_lenstronomy(q, phi)
    kwargs = [{"theta_E": theta_E, "e1": e1, "e2": e2, "center_x": 0, "center_y": 0}]
    assert np.abs(LensModel(["SIE"]).magnification(x, y, kwargs)).min() > 1e4


@pytest.mark.parametrize("q", [0.3, 0.5, 0.8, 0.95])
def test_caustic_is_lenstronomys(q):
    theta_E, phi = 1.3, 0.5
    x, y = tangential_caustic(theta_E, q, phi, 1000)
    e1, e2 = q_phi_to_e1_e2_lenstronomy(q, phi)
    lens = {"theta_E": theta_E, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0}
    theirs = caustics_epl_shear([{**lens, "gamma": 2}], num_th=1000, return_which="caustic")
    assert area(x, y) == pytest.approx(area(*theirs), rel=0.01)
    # Every point of either curve lies close to the other one, on the scale of the caustic.
    distance = np.hypot(x[:, None] - theirs[0], y[:, None] - theirs[1])
    assert max(distance.min(0).max(), distance.min(1).max()) < 0.01 * np.hypot(x, y).max()


def test_caustics_of_many_lenses_and_of_a_round_one():
    theta_E, q = np.array([1.0, 1.3, 0.7]), np.array([0.5, 1.0, 0.8])
    x, y = tangential_caustic(theta_E, q, np.array([0.1, 0.2, 0.3]), 40)
    assert x.shape == y.shape == (3, 40)
    np.testing.assert_array_equal(x[2], tangential_caustic(0.7, 0.8, 0.3, 40)[0])
    assert np.hypot(x[1], y[1]).max() < 1e-8  # a round lens's is a point
