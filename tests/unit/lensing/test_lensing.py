"""Lensing engine against lenstronomy, SciPy, closed forms and finite differences."""

import numpy as np
import pytest
import torch
from lenstronomy.LensModel.lens_model import LensModel
from scipy.ndimage import gaussian_filter

from lenscnn.core.conventions import pixel_centers
from lenscnn.lensing import lenstronomy_reference, subhaloes
from lenscnn.lensing.checks import LENS_KEYS
from lenscnn.lensing.gaussian_sources import SOURCE_KEYS, render
from lenscnn.lensing.isothermal import (
    sie_convergence,
    sie_deflection,
    sis_convergence,
    sis_deflection,
)
from lenscnn.lensing.kernels.sie import sie_at, sie_series
from lenscnn.lensing.light import gaussian
from lenscnn.lensing.psf import convolve_gaussian
from lenscnn.lensing.subhaloes import subhalo_deflection

DTYPES = [torch.float64, torch.float32]
DEFLECTION_TOLERANCE = {torch.float64: 1e-8, torch.float32: 5e-6}  # arcsec
GRIDS = [(60, 0.1, 0.07), (30, 0.2, 0.14)]  # pixels, arcsec a pixel, arcsec of PSF


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw_lens(rng, n, dtype, q=None):
    ranges = {
        "theta_E": (0.8, 2.2),
        "q": (0.2, 1.0),
        "phi": (-np.pi, np.pi),
        "center_x": (-0.3, 0.3),
        "center_y": (-0.3, 0.3),
    }
    lens = {
        key: torch.tensor(rng.uniform(*range_, n), dtype=dtype) for key, range_ in ranges.items()
    }
    if q is not None:
        lens["q"] = torch.full((n,), q, dtype=dtype)
    return lens


def draw_source(rng, n, dtype):
    ranges = {"sigma": (0.3, 0.9), "center_x": (-0.2, 0.2), "center_y": (-0.2, 0.2)}
    return {
        key: torch.tensor(rng.uniform(*range_, n), dtype=dtype) for key, range_ in ranges.items()
    }


def draw_subhaloes(rng, counts, dtype):
    """Within 3 arcsec of the centre, up to 25 mas each, mostly small as in a steep law."""
    n = int(np.sum(counts))
    offsets = torch.tensor(np.concatenate([[0], np.cumsum(counts)]), dtype=torch.int64)
    center = rng.uniform(-3, 3, (2, n))
    theta_E = 0.025 * rng.uniform(0, 1, n) ** 6
    return offsets, *(torch.tensor(a, dtype=dtype) for a in (*center, theta_E))


def image_of(values, b):
    """One image's parameters as lenstronomy takes them: plain numbers in double precision."""
    return {key: float(value[b]) for key, value in values.items()}


def subhaloes_of(subhaloes, b):
    offsets, *tensors = subhaloes
    return tuple(t[offsets[b] : offsets[b + 1]].double().numpy() for t in tensors)


def largest_difference(ours, theirs):
    return max(
        np.abs(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)).max()
        for a, b in zip(ours, theirs, strict=True)
    )


# Main lens


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", [0.2, 0.4, 0.78, 0.95, 0.9999, 1.0])
def test_sie_deflection_is_lenstronomys(q, dtype):
    rng = np.random.default_rng(1)
    tolerance = DEFLECTION_TOLERANCE[dtype]
    if q == 1.0:
        # lenstronomy computes a round lens with q = 1 - 1e-8, which moves alpha by up to
        # theta_E * 1e-8; the exact value is checked against its closed form below.
        tolerance = max(tolerance, 2.2e-8)
    n = 6
    lens = draw_lens(rng, n, dtype, q)
    x, y = (torch.tensor(c, dtype=dtype) for c in rng.uniform(-3, 3, (2, n, 500)))
    ours = sie_deflection(x, y, **{key: value[:, None] for key, value in lens.items()})
    nothing = (np.empty(0),) * 3
    for b in range(n):
        theirs = lenstronomy_reference.deflection(
            x[b].double().numpy(), y[b].double().numpy(), image_of(lens, b), nothing
        )
        assert largest_difference([alpha[b] for alpha in ours], theirs) < tolerance


def test_round_sie_is_a_sis_of_unit_vectors():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-3, 3, (2, 1000))
    theta_E, center_x, center_y = 1.5, 0.13, -0.21
    r = np.hypot(x - center_x, y - center_y)
    unit = (x - center_x) / r, (y - center_y) / r
    one = torch.tensor(1.0, dtype=torch.float64)
    arguments = torch.tensor(x), torch.tensor(y), theta_E * one
    center = center_x * one, center_y * one
    sie = sie_deflection(*arguments, one, 0.7 * one, *center)
    sis = sis_deflection(*arguments, *center)
    assert largest_difference(sie, [theta_E * u for u in unit]) < 1e-9 * theta_E
    assert largest_difference(sis, [theta_E * u for u in unit]) < 1e-14


@pytest.mark.parametrize("q", [0.2, 0.78, 1.0])
def test_convergence_is_half_the_divergence_of_the_deflection(q):
    rng = np.random.default_rng(3)
    lens = {key: value[0] for key, value in draw_lens(rng, 1, torch.float64, q).items()}
    x, y = (torch.tensor(c, requires_grad=True) for c in rng.uniform(-3, 3, (2, 300)))

    def half_divergence(alpha):
        (dxx,) = torch.autograd.grad(alpha[0].sum(), x, retain_graph=True)
        (dyy,) = torch.autograd.grad(alpha[1].sum(), y, retain_graph=True)
        return (dxx + dyy) / 2

    kappa = sie_convergence(x, y, **lens)
    torch.testing.assert_close(half_divergence(sie_deflection(x, y, **lens)), kappa)
    del lens["q"], lens["phi"]
    kappa = sis_convergence(x, y, **lens)
    torch.testing.assert_close(half_divergence(sis_deflection(x, y, **lens)), kappa)


def test_einstein_radius_is_the_product_average():
    # The mean convergence within an ellipse of constant convergence is twice that on its rim,
    # so the ellipse of area pi theta_E^2 and the lens's own axes has kappa = 1/2 on its rim.
    theta_E, q, phi = 1.5, 0.6, 0.4
    t = torch.linspace(0, 2 * torch.pi, 50, dtype=torch.float64)
    major, minor = theta_E / q**0.5 * torch.cos(t), theta_E * q**0.5 * torch.sin(t)
    x = np.cos(phi) * major - np.sin(phi) * minor
    y = np.sin(phi) * major + np.cos(phi) * minor
    zero = torch.zeros((), dtype=torch.float64)
    kappa = sie_convergence(x, y, zero + theta_E, zero + q, zero + phi, zero, zero)
    torch.testing.assert_close(kappa, torch.full_like(kappa, 0.5))


@pytest.mark.parametrize("q", [0.2, 0.9, 0.99994, 0.99996, 1.0])
def test_sie_gradients_are_finite_differences(q):
    lens = [1.5, q, 0.6, 0.1, -0.2]
    x, y = (
        torch.tensor([0.4, -1.3, 0.1, 2.0]).double(),
        torch.tensor([0.9, 0.2, -1.0, -0.2]).double(),
    )

    def alpha(*parameters):
        return torch.stack(sie_deflection(x, y, *parameters))

    parameters = [torch.tensor(p, dtype=torch.float64) for p in lens]
    gradients = torch.autograd.functional.jacobian(alpha, tuple(parameters))
    step = 1e-5
    for i, gradient in enumerate(gradients):
        # One-sided in q, of second order, so as never to leave q <= 1.
        def at(steps, i=i):
            moved = [p + steps * step if j == i else p for j, p in enumerate(parameters)]
            return alpha(*moved)

        expected = (3 * at(0) - 4 * at(-1) + at(-2)) / (2 * step)
        torch.testing.assert_close(gradient, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", [0.5, 1.0])
def test_lens_centre_gives_no_nan(q, dtype):
    values = [torch.tensor(v, dtype=dtype, requires_grad=True) for v in (0.3, 0.1, 1.5, q, 0.2)]
    x, y, theta_E, q, phi = values
    center = x.detach(), y.detach()
    for alpha in (
        sie_deflection(x, y, theta_E, q, phi, *center),
        sis_deflection(x, y, theta_E, *center),
    ):
        assert alpha[0].item() == alpha[1].item() == 0
        gradients = torch.autograd.grad(sum(alpha), values, allow_unused=True)
        assert all(torch.isfinite(g) for g in gradients if g is not None)


@pytest.mark.parametrize("q", [0.02, 0.2, 0.4, 0.78, 0.95, 0.9999, 1.0])
def test_compiled_series_is_the_closed_form(q):
    grid = np.meshgrid(pixel_centers(17, 0.3), pixel_centers(10, 0.3))
    x, y = (axis.ravel().astype(np.float32) for axis in grid)
    for center in [(x[3], y[-4]), (0.113, -0.2)]:  # the first lies exactly on a pixel's centre
        lens = np.array([1.7, q, 0.6, *center], np.float32)
        alpha_x, alpha_y, kappa = np.zeros((3, len(x)), np.float32)
        series = sie_series(lens[0], lens[1])
        sie_at(x, y, lens, series, alpha_x, alpha_y, kappa)
        parameters = torch.tensor(lens).double()
        points = torch.tensor(x).double(), torch.tensor(y).double()
        exact = sie_deflection(*points, *parameters)
        assert largest_difference([alpha_x, alpha_y], exact) < 1.7 * 5e-7
        off_centre = (x != lens[3]) | (y != lens[4])
        exact = sie_convergence(*points, *parameters).numpy()
        # Within 1e-6 arcsec of the radius, which is 0.02 and more where the lens is thinnest.
        np.testing.assert_allclose(kappa[off_centre], exact[off_centre], rtol=1e-6 / min(q, 0.1))


# Subhaloes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(60, 60), (31, 45)])
def test_subhalo_sum_is_lenstronomys(shape, dtype):
    rng = np.random.default_rng(4)
    halos = draw_subhaloes(rng, [450, 0, 123, 1], dtype)
    height, width = shape
    y = torch.tensor(pixel_centers(height, 0.1), dtype=dtype)
    x = torch.tensor(pixel_centers(width, 0.1), dtype=dtype)
    ours = subhalo_deflection(x, y, *halos)
    points = [grid.ravel() for grid in np.meshgrid(x.double().numpy(), y.double().numpy())]
    for b in range(4):
        names = ("center_x", "center_y", "theta_E")
        halo_list = list(zip(*subhaloes_of(halos, b), strict=True))
        kwargs = [dict(zip(names, values, strict=True)) for values in halo_list]
        theirs = LensModel(["SIS"] * len(kwargs)).alpha(*points, kwargs) if kwargs else (0, 0)
        theirs = [np.broadcast_to(alpha, height * width).reshape(shape) for alpha in theirs]
        assert (
            largest_difference([alpha[b] for alpha in ours], theirs) < DEFLECTION_TOLERANCE[dtype]
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_loop_and_plain_torch_agree(dtype, monkeypatch):
    rng = np.random.default_rng(5)
    offsets, *tensors = draw_subhaloes(rng, [70, 0, 31, 150, 2], dtype)
    x = torch.tensor(pixel_centers(20, 0.3), dtype=dtype)
    y = torch.tensor(pixel_centers(11, 0.3), dtype=dtype)
    compiled = subhalo_deflection(x, y, offsets[1:], *tensors)  # bounds that do not start at 0
    monkeypatch.setattr(subhaloes, "_PAIRS_EAGER", 2 * 20 * 11 * 150)  # two images at a time
    plain = subhalo_deflection(x, y, offsets[1:], *[t.requires_grad_() for t in tensors])
    assert plain[0].shape == (4, 11, 20)
    difference = largest_difference(compiled, [alpha.detach() for alpha in plain])
    assert difference < DEFLECTION_TOLERANCE[dtype] / 5


def test_subhalo_gradients_are_finite_differences():
    rng = np.random.default_rng(6)
    offsets, *tensors = draw_subhaloes(rng, [3, 0, 2], torch.float64)
    x = torch.tensor(pixel_centers(5, 0.9))
    tensors = [t.requires_grad_() for t in tensors]

    def deflection(*halo_tensors):
        return subhalo_deflection(x, x, offsets, *halo_tensors)

    assert torch.autograd.gradcheck(deflection, tensors, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("n_images", [0, 3])
def test_no_subhaloes_deflect_nothing(n_images, requires_grad):
    x = torch.tensor(pixel_centers(4, 1.0))
    none = torch.zeros(0, dtype=torch.float64, requires_grad=requires_grad)
    offsets = torch.zeros(n_images + 1, dtype=torch.int64)
    alpha_x, alpha_y = subhalo_deflection(x, x[:2], offsets, none, none, none)
    assert alpha_x.shape == alpha_y.shape == (n_images, 2, 4)
    assert not alpha_x.any() and not alpha_y.any()


def test_subhalo_on_a_pixel_centre_gives_no_nan():
    x = torch.zeros(1)
    one = torch.ones(1)
    for theta_E in (one, one.clone().requires_grad_()):
        alpha = subhalo_deflection(x, x, torch.tensor([0, 1]), 0 * one, 0 * one, theta_E)
        assert alpha[0].item() == alpha[1].item() == 0


def test_a_bad_subhalo_shows():
    x = torch.tensor(pixel_centers(4, 1.0))
    halo = torch.tensor([0.3, float("nan")]).double()
    alpha, _ = subhalo_deflection(x, x, torch.tensor([0, 1, 2]), halo, halo, torch.ones(2).double())
    assert torch.isfinite(alpha[0]).all() and torch.isnan(alpha[1]).all()


@pytest.mark.parametrize(
    "offsets, n, message",
    [([0, 3], 2, "offsets"), ([2, 1], 3, "offsets"), ([-1, 1], 1, "offsets"), ([], 1, "offsets")],
)
def test_bounds_that_do_not_fit_are_refused(offsets, n, message):
    x = torch.zeros(3)
    halo = torch.ones(n)
    with pytest.raises(ValueError, match=message):
        subhalo_deflection(x, x, torch.tensor(offsets, dtype=torch.int64), halo, halo, halo)


def test_mismatched_subhalo_tensors_are_refused():
    x, halo = torch.zeros(3), torch.ones(2)
    offsets = torch.tensor([0, 2])
    with pytest.raises(ValueError, match="one length"):
        subhalo_deflection(x, x, offsets, halo[:1], halo, halo)
    with pytest.raises(ValueError, match="one dtype"):
        subhalo_deflection(x, x, offsets, halo.double(), halo, halo)


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(7)
    halos = draw_subhaloes(rng, [40, 0, 77, 13, 30], torch.float32)
    x = torch.tensor(pixel_centers(20, 0.3), dtype=torch.float32)
    single = subhalo_deflection(x, x, *halos)
    torch.set_num_threads(3)
    threaded = subhalo_deflection(x, x, *halos)
    assert all(torch.equal(a, b) for a, b in zip(single, threaded, strict=True))


# Light and point-spread function


def test_gaussian_peak_width_and_flux():
    x = torch.tensor(pixel_centers(400, 0.05))
    sigma, center_x, center_y, amplitude = (torch.tensor(v).double() for v in (0.9, 0.3, -0.2, 2.0))
    brightness = gaussian(x, x[:, None], sigma, center_x, center_y, amplitude)
    torch.testing.assert_close(
        gaussian(center_x, center_y, sigma, center_x, center_y, amplitude), amplitude
    )
    flux = brightness.sum() * 0.05**2
    torch.testing.assert_close(flux, 2 * torch.pi * sigma**2 * amplitude, rtol=1e-9, atol=0)
    second_moment = (brightness * (x - center_x) ** 2).sum() / brightness.sum()
    torch.testing.assert_close(second_moment, sigma**2, rtol=1e-9, atol=0)


@pytest.mark.parametrize("sigma_pix", [0.35, 0.7, 2.3])
def test_psf_is_scipys_gaussian_filter(sigma_pix):
    images = np.random.default_rng(9).uniform(0, 1, (3, 2, 17, 24))
    expected = [
        [gaussian_filter(band, sigma_pix, mode="nearest", truncate=5) for band in image]
        for image in images
    ]
    ours = convolve_gaussian(torch.tensor(images), sigma_pix)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-14)


def test_psf_widens_a_gaussian_and_keeps_its_flux():
    x = torch.tensor(pixel_centers(60, 0.1))
    zero = torch.zeros((), dtype=torch.float64)
    before = gaussian(x, x[:, None], zero + 0.3, zero, zero)
    after = convolve_gaussian(before[None, None], 0.7)[0, 0]
    torch.testing.assert_close(after.sum(), before.sum(), rtol=1e-12, atol=0)
    variance = 0.3**2 + 0.07**2
    expected = gaussian(x, x[:, None], zero + variance**0.5, zero, zero, 0.3**2 / variance)
    torch.testing.assert_close(after, expected, rtol=0, atol=2e-4)  # the kernel is sampled


def test_no_psf_leaves_images_as_they_are_and_a_negative_one_is_refused():
    images = torch.rand(1, 1, 5, 5)
    assert torch.equal(convolve_gaussian(images, 0.0), images)
    with pytest.raises(ValueError, match="negative"):
        convolve_gaussian(images, -0.7)


# Whole images


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-8), (torch.float32, 5e-6)])
@pytest.mark.parametrize("supersampling", [1, 2])
@pytest.mark.parametrize("n_pix, pixel_scale, psf_sigma", GRIDS)
def test_images_are_lenstronomys(n_pix, pixel_scale, psf_sigma, supersampling, dtype, tolerance):
    rng = np.random.default_rng(10)
    counts = [200, 0, 450]
    exact = (
        draw_lens(rng, 3, torch.float64),
        draw_subhaloes(rng, counts, torch.float64),
        draw_source(rng, 3, torch.float64),
    )
    lens, (offsets, *tensors), source = exact
    ours = render(
        {key: value.to(dtype) for key, value in lens.items()},
        (offsets, *(t.to(dtype) for t in tensors)),
        {key: value.to(dtype) for key, value in source.items()},
        n_pix,
        pixel_scale,
        supersampling,
        psf_sigma,
    )
    assert ours.shape == (3, 1, n_pix, n_pix) and ours.dtype == dtype
    for b in range(3):
        theirs = lenstronomy_reference.image(
            image_of(lens, b),
            subhaloes_of((offsets, *tensors), b),
            image_of(source, b),
            n_pix,
            pixel_scale,
            supersampling,
            psf_sigma,
        )
        assert np.abs(ours[b, 0].double().numpy() - theirs).max() < tolerance * theirs.max()


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-8), (torch.float32, 5e-6)])
@pytest.mark.parametrize("supersampling", [1, 2])
def test_images_with_a_gradient_are_the_compiled_ones(supersampling, dtype, tolerance):
    rng = np.random.default_rng(15)
    lens, source = draw_lens(rng, 3, dtype), draw_source(rng, 3, dtype)
    offsets, *tensors = draw_subhaloes(rng, [20, 0, 33], dtype)
    grid = (20, 0.3, supersampling, 0.2)
    without = render(lens, (offsets, *tensors), source, *grid)
    lens["q"].requires_grad_()
    with_gradient = render(lens, (offsets, *tensors), source, *grid)
    assert with_gradient.requires_grad and not without.requires_grad
    torch.testing.assert_close(without, with_gradient.detach(), rtol=0, atol=tolerance)


def test_threads_do_not_change_an_image():
    rng = np.random.default_rng(16)
    scene = (
        draw_lens(rng, 5, torch.float32),
        draw_subhaloes(rng, [40, 0, 77, 13, 30], torch.float32),
        draw_source(rng, 5, torch.float32),
    )
    single = render(*scene, 20, 0.3, 1, 0.2)
    torch.set_num_threads(3)
    assert torch.equal(render(*scene, 20, 0.3, 1, 0.2), single)


@pytest.mark.parametrize("part", ["lens", "subhalo", "source"])
def test_a_bad_number_shows_in_its_image_alone(part):
    rng = np.random.default_rng(17)
    lens, source = draw_lens(rng, 3, torch.float32), draw_source(rng, 3, torch.float32)
    offsets, x, y, theta_E = draw_subhaloes(rng, [20, 35, 20], torch.float32)
    bad = {"lens": lens["theta_E"][1:2], "subhalo": x[30:31], "source": source["sigma"][1:2]}
    bad[part].fill_(float("nan"))
    images = render(lens, (offsets, x, y, theta_E), source, 10, 0.6, 1, 0.4)
    assert torch.isnan(images[1]).all()
    assert torch.isfinite(images[::2]).all()


def test_first_axis_is_y_and_second_is_x():
    # No lens to speak of: the source is seen where it is.
    lens = dict.fromkeys(("theta_E", "phi", "center_x", "center_y"), torch.zeros(1)) | {
        "q": torch.ones(1)
    }
    nothing = torch.zeros(2, dtype=torch.int64), *[torch.zeros(0)] * 3
    source = {
        "sigma": torch.tensor([0.2]),
        "center_x": torch.tensor([1.0]),
        "center_y": torch.tensor([-2.0]),
    }
    image = render(lens, nothing, source, 61, 0.1, 1, 0.07)[0, 0]
    row, column = divmod(int(image.argmax()), 61)
    assert (column, row) == (30 + 10, 30 - 20)


@pytest.mark.parametrize("n_pix, supersampling", [(30, 1), (60, 1), (30, 3)])
def test_an_image_does_not_depend_on_its_batch(n_pix, supersampling):
    rng = np.random.default_rng(11)
    n = 12
    lens, source = draw_lens(rng, n, torch.float32), draw_source(rng, n, torch.float32)
    offsets, *tensors = draw_subhaloes(rng, rng.integers(0, 20, n), torch.float32)
    grid = (n_pix, 6 / n_pix, supersampling, 4.2 / n_pix)
    batch = render(lens, (offsets, *tensors), source, *grid)
    for b in range(0, n, 3):
        one = slice(b, b + 1)
        alone = render(
            {key: value[one] for key, value in lens.items()},
            (offsets[b : b + 2], *tensors),
            {key: value[one] for key, value in source.items()},
            *grid,
        )
        assert torch.equal(batch[one], alone)


def test_supersampling_averages_sub_pixels():
    rng = np.random.default_rng(12)
    scene = (
        draw_lens(rng, 2, torch.float64),
        draw_subhaloes(rng, [5, 9], torch.float64),
        draw_source(rng, 2, torch.float64),
    )
    fine = render(*scene, 60, 0.1, 1, 0.0)
    blocks = fine.reshape(2, 1, 20, 3, 20, 3).mean((3, 5))
    torch.testing.assert_close(render(*scene, 20, 0.3, 3, 0.0), blocks)


def test_image_gradients_are_finite_differences():
    rng = np.random.default_rng(13)
    lens = draw_lens(rng, 2, torch.float64, q=0.7)
    source = draw_source(rng, 2, torch.float64)
    offsets, *tensors = draw_subhaloes(rng, [2, 1], torch.float64)

    def image(*values):
        return render(
            dict(zip(lens, values[:5], strict=True)),
            (offsets, *values[5:8]),
            dict(zip(source, values[8:], strict=True)),
            6,
            0.9,
            2,
            0.6,
        )

    values = [v.requires_grad_() for v in (*lens.values(), *tensors, *source.values())]
    assert torch.autograd.gradcheck(image, values, eps=1e-6, atol=1e-5)


def test_an_empty_batch_renders_to_no_images():
    none = torch.zeros(0)
    images = render(
        dict.fromkeys(LENS_KEYS, none),
        (torch.zeros(1, dtype=torch.int64), none, none, none),
        dict.fromkeys(SOURCE_KEYS, none),
        30,
        0.2,
        1,
        0.14,
    )
    assert images.shape == (0, 1, 30, 30)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda lens: lens | {"q": torch.tensor([0.5, 1.2])}, r"q must lie in \(0, 1\]"),
        (lambda lens: lens | {"q": torch.tensor([0.5, float("nan")])}, r"q must lie in \(0, 1\]"),
        (lambda lens: lens | {"e1": torch.zeros(2)}, "keys"),
        (lambda lens: {k: v for k, v in lens.items() if k != "phi"}, "phi"),
        (lambda lens: lens | {"theta_E": torch.ones(3)}, "theta_E has shape"),
        (lambda lens: lens | {"theta_E": torch.ones(2).double()}, "one dtype"),
    ],
)
def test_bad_lenses_are_refused(change, message):
    rng = np.random.default_rng(14)
    lens, source = draw_lens(rng, 2, torch.float32), draw_source(rng, 2, torch.float32)
    halos = draw_subhaloes(rng, [1, 1], torch.float32)
    with pytest.raises(ValueError, match=message):
        render(change(lens), halos, source, 30, 0.2, 1, 0.14)
