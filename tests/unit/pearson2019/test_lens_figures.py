"""pearson2019, Figures 4-7 and 9: what is drawn is what the arrays, files and modules hold."""

import runpy
from itertools import pairwise
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from conftest import ROOT
from drawn import LOOKS, lines_of, panels_of, texts_overlap
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from lenscnn.core import storage
from lenscnn.nn.network import build
from lenscnn.papers.pearson2019 import metrics
from lenscnn.papers.pearson2019.figures import examples
from lenscnn.papers.pearson2019.figures import predictions as lens_predictions
from lenscnn.plotting import architecture, style

NOTE = "pearson2019, scale smoke"
CORE = [f"{camera}_{light}" for light in ("removed", "kept") for camera in ("vis", "r", "gri")]
SEEN = {
    name: look | {"pixel_scale": pixel_scale, "bands": bands}
    for (name, look), pixel_scale, bands in zip(
        LOOKS.items(), (0.1, 0.2, 0.2), (["VIS"], ["r"], ["i", "r", "g"]), strict=True
    )
}
SKY = 12.0  # electrons

FILTERS, KERNELS = (32, 64, 64, 128, 128, 128), (7, 11, 9, 7, 5, 5)
SPEC = {
    "network": {
        "filters": FILTERS, "kernels": KERNELS, "pool_after": (1, 2, 4, 6), "dense": 512,
        "dropout": 0.0,
    },
    "scalars": [],
    "targets": ["theta_E", "e1", "e2"],
}  # fmt: skip
SHAPES = [[1, 57, 57], [3, 57, 57]]


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def images(rng):
    """Two lenses a view: noise of SKY, a red core of 1000 and 2000 electrons, a blue arc of 100."""
    bands = {"vis": [(1, 1)], "r": [(1, 1)], "gri": [(1, 0.5), (0.7, 1), (0.2, 1.5)]}
    made = {}
    for view, weights in bands.items():
        made[view] = rng.normal(0, SKY, (2, len(weights), 57, 57))
        for band, (core, arc) in enumerate(weights):
            made[view][:, band, 28, 28] += core * np.array([1000, 2000])
            made[view][:, band, 40, 20:36] += 100 * arc
    return {view: array.astype(np.float32) for view, array in made.items()}


@pytest.fixture
def theta_E():
    return {"vis": [0.512, 1.004], "r": [1.5, 2.249], "gri": [1.5, 2.249]}


@pytest.fixture
def predictions(rng):
    """True and predicted parameters of 600 lenses by view, with estimates ever worse."""
    made = {}
    for noise, view in enumerate(CORE, start=1):
        theta_E, e1, e2 = rng.uniform(0.5, 2, 600), *rng.normal(0, 0.2, (2, 600))
        estimates = (column + rng.normal(0, 0.02 * noise, 600) for column in (theta_E, e1, e2))
        made[view] = (
            metrics.parameters(theta_E, e1, e2),
            metrics.parameters(*estimates),
        )
    return made


def orientation_error(true, predicted):
    return np.angle(np.exp(2j * (predicted - true))) / 2


def error_of(true, predicted, target):
    if target == "phi":
        return orientation_error(true["phi"], predicted["phi"])
    return predicted[target] - true[target]


def test_fig4_shows_each_image_on_its_square_of_sky(images, theta_E):
    figure = examples.examples_figure(images, theta_E, SEEN, NOTE)
    panels = np.reshape(panels_of(figure), (2, 3))
    assert [axes.get_title() for axes in panels[0]] == [
        "Euclid VIS", "LSST $r$", "LSST $gri$\nRGB = i, r, g"
    ]  # fmt: skip
    for view, column, half in zip(images, panels.T, (2.85, 5.7, 5.7), strict=True):
        for axes, image, radius in zip(column, images[view], theta_E[view], strict=True):
            (drawn,) = axes.images
            np.testing.assert_allclose(drawn.get_extent(), [-half, half, -half, half])
            assert drawn.origin == "lower"
            assert [text.get_text() for text in axes.texts] == [
                rf"$\theta_\mathrm{{E}} = {radius:.2f}''$"
            ]
            if len(image) == 1:
                np.testing.assert_array_equal(drawn.get_array(), image[0])
        assert "[arcsec]" in column[-1].get_xlabel()


def test_panels_of_fig4_lie_on_a_grid_that_hides_the_last_bits_of_the_solver(images, theta_E):
    figure = examples.examples_figure(images, theta_E, SEEN, NOTE)
    with matplotlib.rc_context(fname=style.STYLE_FILE):
        figure.draw_without_rendering()
    bounds = [axes.get_position(original=True).bounds for axes in figure.axes]
    np.testing.assert_allclose(bounds, np.round(bounds, 9), rtol=0, atol=1e-15)


def test_grey_scale_shows_an_arc_beside_the_core(images, theta_E):
    figure = examples.examples_figure(images, theta_E, SEEN, None)
    for axes, image in zip(panels_of(figure)[::3], images["vis"], strict=True):
        grey = axes.images[0].norm(image[0])
        assert grey.max() == pytest.approx(1)
        # A tenth and a twentieth of the core, and well above the sky.
        assert grey[40, 20:36].mean() > 0.35
        assert grey[:20].mean() < 0.15


def test_lens_and_arc_keep_their_colours(images, theta_E):
    figure = examples.examples_figure(images, theta_E, SEEN, None)
    for axes, image in zip(panels_of(figure)[2::3], images["gri"], strict=True):
        rgb = np.asarray(axes.images[0].get_array()).astype(float)
        red, green, blue = rgb[28, 28]
        assert red == pytest.approx(255, abs=1)  # and no channel is cut off
        assert green / red == pytest.approx(0.7, abs=0.03)
        assert blue / red == pytest.approx(0.2, abs=0.03)
        arc = rgb[40, 20:36].mean(axis=0)
        assert arc[0] < arc[1] < arc[2]
        # Lupton et al. 2004: channels as the bands, intensity linear in asinh of the mean band.
        above_black = image.astype(float).transpose(1, 2, 0) + SKY
        mean = above_black.mean(axis=2)
        clear = (above_black.min(axis=2) > 0) & (mean > 5 * SKY)
        stretched = np.arcsinh(mean[clear] / (3 * SKY))
        slope = stretched / rgb[clear].mean(axis=1)
        np.testing.assert_allclose(slope, slope[0], rtol=0.08)  # the sky was measured, 8 bits


def test_sky_is_measured_beside_a_galaxy(rng):
    image = rng.normal(0, SKY, (57, 57))
    image[20:40, :] += 500  # reaches two edges
    assert examples._sky_sigma(image) == pytest.approx(SKY, rel=0.4)
    image[20:40, :] -= 500
    assert examples._sky_sigma(image) == pytest.approx(SKY, rel=0.15)


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_fig5_prints_shapes_kernels_and_parameters():
    figure = architecture.blocks_figure([build(SPEC, s) for s in SHAPES], NOTE)
    (axes,) = panels_of(figure)
    texts = texts_of(axes)
    size, shapes = 57, []
    for number, width in enumerate(FILTERS, start=1):
        size = size // 2 if number in (1, 2, 4, 6) else size
        shapes.append(f"{size} × {size} × {width}")
    assert [text for text in texts if " × " in text] == ["57 × 57 × 1", *shapes]
    assert {"1,152", "512", "3"} <= set(texts)
    convolutions = [text for text in texts if text.startswith("Convolution")]
    assert convolutions == [f"Convolution\n{k}×{k}, ReLU" for k in KERNELS]
    assert texts.count("Batch\nnormalisation") == 6
    assert texts.count("Max-pooling\n2×2") == 4
    # Input, 6 convolutions, as many normalisations, 4 poolings, flatten, 2 dense layers.
    assert len(axes.patches) == 20

    # Weights and a bias a filter, scale and shift of the normalisation; two dense layers.
    for bands, published in ((1, "2,395,267"), (3, "2,398,403")):
        into = (bands, *FILTERS[:-1])
        parameters = sum(
            k**2 * c * f + f + 2 * f for k, c, f in zip(KERNELS, into, FILTERS, strict=True)
        ) + (1152 * 512 + 512 + 512 * 3 + 3)
        assert f"{parameters:,}" == published
        assert f"{published} for {bands} band" in texts[-1]


def test_fig5_shows_the_network_it_is_given():
    smaller = SPEC | {"network": SPEC["network"] | {"kernels": (3,) * 6, "dropout": 0.1}}
    figure = architecture.blocks_figure([build(smaller, SHAPES[1])], None)
    texts = texts_of(panels_of(figure)[0])
    assert texts.count("Convolution\n3×3, ReLU") == texts.count("Dropout\n0.1") == 6
    assert "57 × 57 × 3" in texts
    assert "3 bands" in texts[-1] and "1 band" not in texts[-1]


def test_fig5_keeps_its_texts_in_their_boxes():
    figure = architecture.blocks_figure([build(SPEC, s) for s in SHAPES], NOTE)
    figure.set_dpi(300)  # as on paper: at few dots an inch letters are rounded to whole ones
    with matplotlib.rc_context(fname=style.STYLE_FILE):
        FigureCanvasAgg(figure).draw()
    (axes,) = panels_of(figure)
    shown = [text for text in axes.texts if text.get_text()]  # lines are texts without a text
    texts = {text.get_text(): text.get_window_extent() for text in shown}
    widest = max(box.width for label, box in texts.items() if "\n" in label)
    assert widest < axes.patches[0].get_window_extent().width
    boxes = [text.get_window_extent() for text in shown]
    assert not [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


def test_fig6_shows_six_distributions_a_panel(predictions):
    error = {view: metrics.errors(*both) for view, both in predictions.items()}
    figure = lens_predictions.distributions_figure(error, LOOKS, NOTE)
    panels = panels_of(figure)
    assert len(panels) == 3
    colours = {"vis": style.BLUE, "r": style.GREEN, "gri": style.VERMILION}
    for axes, target, word in zip(
        panels, ("theta_E", "phi", "ellipticity"), ("[arcsec]", "[rad]", "b/a"), strict=True
    ):
        assert word in axes.get_xlabel()
        assert len(axes.patches) == 6
        for drawn, (view, both) in zip(axes.patches, predictions.items(), strict=True):
            camera, light = view.split("_")
            assert to_hex(drawn.get_edgecolor()).upper() == colours[camera]
            assert drawn.get_linestyle() == {"kept": "-", "removed": "--"}[light]
            density, edges, _ = drawn.get_data()
            values = error_of(*both, target)
            inside = [np.mean((values >= a) & (values < b)) for a, b in pairwise(edges)]
            np.testing.assert_allclose(density * np.diff(edges), inside, atol=1e-12)
        np.testing.assert_allclose(axes.get_xlim(), edges[[0, -1]])
        every = np.concatenate([error_of(*both, target) for both in predictions.values()])
        assert np.mean(np.abs(every) > edges[-1]) == pytest.approx(0.03, abs=1e-3)
        assert edges[0] == -edges[-1]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "Euclid VIS, lens light removed"
    assert labels[-1] == "LSST $gri$, lens light kept"


def test_fig6_needs_names_of_views(predictions):
    error = metrics.errors(*predictions["vis_kept"])
    with pytest.raises(KeyError, match="dark"):
        lens_predictions.distributions_figure({"vis_dark_kept": error}, LOOKS, None)


@pytest.mark.parametrize("light", ["removed", "kept"])
def test_fig7_and_9_show_points_identity_and_rms(predictions, light):
    shown = {view: both for view, both in predictions.items() if view.endswith(light)}
    figure = lens_predictions.comparison_figure(shown, LOOKS, NOTE)
    panels = np.reshape(panels_of(figure), (3, 3))
    targets = ("theta_E", "phi", "ellipticity")
    for row, (view, (true, predicted)) in zip(panels, shown.items(), strict=True):
        assert LOOKS[view.removesuffix(f"_{light}")]["label"] in row[0].get_ylabel()
        for axes, target in zip(row, targets, strict=True):
            (points,) = axes.collections
            np.testing.assert_allclose(
                sorted(points.get_offsets().tolist()),
                sorted(zip(true[target], predicted[target], strict=True)),
            )
            assert points.get_rasterized()
            x, y = lines_of(axes)["ideal"].T
            np.testing.assert_array_equal(x, y)
            rms = np.sqrt(np.mean(error_of(true, predicted, target) ** 2))
            assert texts_of(axes) == [f"RMS {rms:.3f}"]
            low, high = axes.get_ylim()
            assert np.mean((predicted[target] < low) | (predicted[target] > high)) < 0.005
    titles = [axes.get_title() for axes in panels[0]]
    assert titles[0].startswith("Einstein radius") and "[arcsec]" in titles[0]
    assert titles[1].startswith("Orientation") and titles[2].startswith("Ellipticity")
    assert {axes.get_xlabel() for axes in panels[-1]} == {"True"}


def test_rms_of_an_orientation_goes_the_shorter_way():
    angle = np.array([0.05, 3.1, 0.02, 1.0])
    turned = angle + [-0.1, 0.1, -0.1, 0.1]  # three of them pass 0 = pi
    theta_E, modulus = np.array([1, 2, 3, 4]), np.array([0.2, 0.3, 0.4, 0.5])
    true, predicted = (
        metrics.parameters(theta_E, modulus * np.cos(2 * phi), modulus * np.sin(2 * phi))
        for phi in (angle, turned)
    )
    figure = lens_predictions.comparison_figure({"vis_kept": (true, predicted)}, LOOKS, None)
    radius, orientation, _ = panels_of(figure)
    assert texts_of(orientation) == ["RMS 0.100"]
    assert texts_of(radius) == ["RMS 0.000"]


def test_texts_do_not_cover_each_other_and_are_stamped(images, theta_E, predictions):
    error = {view: metrics.errors(*both) for view, both in predictions.items()}
    three = {view: predictions[view] for view in CORE[:3]}
    for figure in (
        examples.examples_figure(images, theta_E, SEEN, NOTE),
        architecture.blocks_figure([build(SPEC, s) for s in SHAPES], NOTE),
        lens_predictions.distributions_figure(error, LOOKS, NOTE),
        lens_predictions.comparison_figure(three, LOOKS, NOTE),
    ):
        assert texts_overlap(figure) == []
        assert [text.get_text() for text in figure.texts] == [NOTE]


def run_script(name, folder, given, **params):
    job = SimpleNamespace(
        input=given,
        output=SimpleNamespace(pdf=folder / f"{name}.pdf", png=folder / f"{name}.png"),
        params=SimpleNamespace(note=NOTE, **params),
    )
    result = runpy.run_path(str(ROOT / f"scripts/figures/{name}.py"), {"snakemake": job})
    assert job.output.pdf.read_bytes().startswith(b"%PDF")
    assert job.output.png.read_bytes().startswith(b"\x89PNG")
    return result


class Files(dict):
    """Inputs of a job, by attribute and by key."""

    __getattr__ = dict.__getitem__


def test_script_of_fig4_takes_the_first_images(tmp_path, images, theta_E):
    paths = {view: tmp_path / f"{view}.h5" for view in images}
    for view, array in images.items():
        labels = {"theta_E": np.array(theta_E[view])}
        with storage.ImageWriter(paths[view], labels, array.shape[1:], {}) as shard:
            shard.write(array)
    result = run_script(
        "pearson2019_fig4", tmp_path, Files(examples=[*paths.values()]), rows=1, cameras=SEEN
    )
    panels = panels_of(result["figure"])
    assert len(panels) == 3
    np.testing.assert_array_equal(panels[1].images[0].get_array(), images["r"][0, 0])
    assert "1.50" in texts_of(panels[2])[0]


def test_script_of_fig5(tmp_path):
    result = run_script("pearson2019_fig5", tmp_path, Files(), network=SPEC, image_shapes=SHAPES)
    assert [network.image_shape[0] for network in result["networks"]] == [1, 3]


def test_scripts_of_predictions_read_the_columns_by_name(tmp_path, predictions):
    paths = []
    for view, (true, predicted) in predictions.items():
        paths.append(tmp_path / view / f"{view}_seed0.h5")
        arrays = {
            name: np.column_stack([values[column] for column in ("e2", "theta_E", "e1")])
            for name, values in (("true", true), ("predicted", predicted))
        }
        storage.write_h5(paths[-1], arrays, {"target": "e2 theta_E e1"})
    result = run_script(
        "pearson2019_fig6", tmp_path, Files(predictions=paths), views=CORE, cameras=LOOKS
    )
    assert list(result["error"]) == CORE
    for view, both in predictions.items():
        np.testing.assert_allclose(result["error"][view]["phi"], error_of(*both, "phi"), atol=1e-9)
    given = Files(predictions=paths[3:])
    result = run_script("pearson2019_predictions", tmp_path, given, views=CORE[3:], cameras=LOOKS)
    assert list(result["predictions"]) == CORE[3:]
    np.testing.assert_allclose(
        result["predictions"]["gri_kept"][1]["theta_E"], predictions["gri_kept"][1]["theta_E"]
    )
    with pytest.raises(ValueError, match="argument 2 is longer"):
        run_script("pearson2019_predictions", tmp_path, given, views=CORE[:2], cameras=LOOKS)
