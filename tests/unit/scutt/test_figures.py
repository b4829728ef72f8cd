import io
import runpy
import struct
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from drawn import lines_of, panels_of, texts_overlap
from scipy import stats

from lenscnn.core import storage
from lenscnn.nn.network import build
from lenscnn.papers.scutt.figures import example, geometry, predictions, substructure
from lenscnn.papers.scutt.figures.predictions import predictions_figure
from lenscnn.papers.scutt.metrics import evaluate, summarise
from lenscnn.plotting import architecture, style

SCRIPTS = ROOT / "scripts" / "figures"
NOTE = "scutt, scale smoke"

N_CNN = {"filters": [16, 32, 64], "kernels": [5, 5, 5], "pool_after": [1, 2, 3]}
ALPHA_CNN = {"filters": [8], "kernels": [3], "pool_after": [1]}
N_SPEC, ALPHA_SPEC = (
    {"network": shape | {"dense": 512, "dropout": 0.25}, "scalars": scalars, "targets": [target]}
    for shape, scalars, target in ((N_CNN, [], "N"), (ALPHA_CNN, ["N"], "alpha"))
)
PARENTS = {
    "theta_E": {"mean": 1.5, "sd": 0.4, "minimum": 0.3, "maximum": 2.7},
    "q": {"mean": 0.78, "sd": 0.12, "minimum": 0.2, "maximum": 0.999},
    "z_source": {"mean": 1.77, "sd": 0.75, "minimum": 1.05, "maximum": 6.0},
}


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.fixture
def population(rng):
    return {
        name: np.clip(rng.normal(law["mean"], law["sd"], 3000), law["minimum"], law["maximum"])
        for name, law in PARENTS.items()
    }


@pytest.fixture
def sample():
    return {
        "alpha": np.array([-2.4, -2.0, -1.6]),
        "log10_mass_edges": np.linspace(7.5, 11.5, 9),
        "counts": np.array([[0, 500, 0, 50, 0, 5, 0, 1], [0, 200, 0, 50, 0, 9, 0, 2]] * 2)[:3],
        "N_mean": np.array([556.0, 261.0, 556.0]),
        "N_sd": np.array([30.0, 20.0, 30.0]),
    }


@pytest.fixture
def lens(rng):
    return {
        "source": rng.random((30, 30)),
        "kappa": 10 ** rng.uniform(-2, 1, (30, 30)),
        "image": rng.random((30, 30)),
        "sub_x": rng.uniform(-3, 3, 40),
        "sub_y": rng.uniform(-3, 3, 40),
        "sub_theta_E": np.r_[np.full(39, 0.001), 0.02],
    }


@pytest.fixture
def arrays(rng):
    subset = np.repeat(["alpha-2.4", "varied", "alpha-1.6"], [100, 400, 100])
    alpha = np.where(subset == "varied", rng.uniform(-2.5, -1.5, 600), -2.4)
    alpha[-100:] = -1.6
    n = 400 - 500 * (alpha + 2) + rng.normal(0, 20, 600)
    return {
        "n_cnn": {"true": n, "predicted": 0.8 * n + rng.normal(70, 40, 600), "subset": subset},
        "alpha_cnn": {"true": alpha, "predicted": rng.normal(-2, 0.2, 600), "subset": subset},
    }


@pytest.fixture
def rows(arrays):
    return [
        predictions.Row(target, **arrays[name], metrics=summarise(**arrays[name], resamples=20))
        for name, target in (("n_cnn", "N"), ("alpha_cnn", "alpha"))
    ]


def test_fig1_shows_the_sample_and_its_parents(population):
    figure = geometry.geometry_figure(population, PARENTS, NOTE)
    labels = [axes.get_xlabel() for axes in panels_of(figure)]
    assert len(labels) == 3
    assert "[arcsec]" in labels[0]
    for axes, (name, law) in zip(panels_of(figure), PARENTS.items(), strict=True):
        x, density = lines_of(axes)["drawn from"].T
        assert np.trapezoid(density, x) == pytest.approx(1, rel=1e-3)
        # Cutting leaves the ratio of densities what it is in the normal law.
        normal = stats.norm(law["mean"], law["sd"])
        assert density[100] / density[50] == pytest.approx(normal.pdf(x[100]) / normal.pdf(x[50]))
        bars = [(p.get_x(), p.get_width(), p.get_height()) for p in axes.patches]
        assert sum(width * height for _, width, height in bars) == pytest.approx(1)
        left, width, height = bars[len(bars) // 2]
        inside = (population[name] >= left) & (population[name] < left + width)
        assert height == pytest.approx(inside.mean() / width)


def test_fig1_needs_every_parent(population):
    with pytest.raises(KeyError, match="q"):
        geometry.geometry_figure(population, {"theta_E": PARENTS["theta_E"]}, None)


def test_fig2_shows_the_counts(sample):
    figure = substructure.mass_figure(sample, NOTE)
    panels = panels_of(figure)
    assert len(panels) == 3
    for axes, counts, alpha in zip(panels, sample["counts"], sample["alpha"], strict=True):
        values, edges, _ = axes.patches[0].get_data()
        np.testing.assert_allclose(values, counts)
        np.testing.assert_allclose(edges, 10 ** sample["log10_mass_edges"])
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert f"{alpha:.1f}" in axes.texts[0].get_text()
        low, high = axes.get_xlim()
        assert low < 1e8 and high > 10**11.5
        assert axes.get_ylim()[0] < 1  # the rarest mass is seen
    assert "556" in panels[0].texts[0].get_text()
    assert r"[M$_\odot$]" in panels[0].get_xlabel()


def test_fig3_is_the_same_file_on_every_kind_of_cpu(lens):
    """Which differ in the last bits of images."""
    files = []
    for seed in (None, 1, 2):
        arrays = dict(lens)
        if seed is not None:
            rng = np.random.default_rng(seed)
            for name in ("source", "kappa", "image"):
                arrays[name] = lens[name] * (1 + 1e-8 * rng.normal(size=lens[name].shape))
        file = io.BytesIO()
        example.example_figure(arrays, 0.2, NOTE).savefig(
            file, format="pdf", metadata={"CreationDate": None}
        )
        files.append(file.getvalue())
    assert files[0] == files[1] == files[2]


def test_fig3_shows_the_arrays_and_the_subhaloes(lens):
    figure = example.example_figure(lens, 0.2, NOTE)
    panels = panels_of(figure)
    for axes, name in zip(panels, ("source", "kappa", "image"), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), lens[name])
        assert axes.images[0].get_extent() == [-3, 3, -3, 3]
        assert axes.images[0].origin == "lower"
        assert "[arcsec]" in axes.get_xlabel()
    assert isinstance(panels[1].images[0].norm, matplotlib.colors.LogNorm)
    rings = panels[2].collections[0]
    np.testing.assert_allclose(rings.get_offsets(), np.c_[lens["sub_x"], lens["sub_y"]])
    sizes = rings.get_sizes()
    assert sizes[-1] / sizes[0] == pytest.approx(20)
    key = dict(
        zip(
            (text.get_text() for text in panels[2].get_legend().get_texts()),
            (handle.get_sizes()[0] for handle in panels[2].get_legend().legend_handles),
            strict=True,
        )
    )
    assert key["20 mas"] == pytest.approx(sizes[-1])
    assert key["2 mas"] == pytest.approx(sizes[-1] / 10)


def test_layers_are_those_of_the_paper():
    layers = architecture.describe(build(ALPHA_SPEC, (1, 60, 60)))
    assert [(layer.name, layer.shape) for layer in layers] == [
        ("Input", (60, 60, 1)),
        ("Convolution", (60, 60, 8)),
        ("Batch normalisation", (60, 60, 8)),
        ("Max-pooling", (30, 30, 8)),
        ("Dropout", (30, 30, 8)),
        ("Flatten", (7200,)),
        ("Dense", (512,)),
        ("Concatenate", (513,)),
        ("Dense", (1,)),
    ]
    assert layers[1].detail == "3×3, ReLU"
    n_cnn = architecture.describe(build(N_SPEC, (1, 60, 60)))
    assert [layer.shape for layer in n_cnn if layer.name == "Max-pooling"] == [
        (30, 30, 16),
        (15, 15, 32),
        (7, 7, 64),
    ]
    assert n_cnn[-3:] == [
        architecture.Layer("Flatten", "", (3136,)),
        architecture.Layer("Dense", "ReLU", (512,)),
        architecture.Layer("Dense", "linear", (1,)),
    ]


def test_describing_a_network_leaves_it_alone():
    network = build(N_SPEC, (1, 60, 60)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    architecture.describe(network)
    assert network.training
    assert all((value == before[name]).all() for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_fig4_prints_the_published_parameter_counts():
    built = (build(spec, (1, 60, 60)) for spec in (N_SPEC, ALPHA_SPEC))
    figure = architecture.architecture_figure(*built, NOTE)
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "1,671,393 trainable" in texts
    assert "3,687,522 trainable" in texts
    assert "predicted $N$" in texts


def test_predictions_show_the_varied_points_and_the_tabulated_fit(rows):
    figure = predictions_figure(rows, NOTE)
    panels = panels_of(figure)
    assert len(panels) == 4
    for row, axes in zip(rows, panels[::2], strict=True):
        chosen = row.subset == "varied"
        shown = axes.collections[0].get_offsets()
        expected = np.c_[row.true[chosen], row.predicted[chosen]]
        np.testing.assert_allclose(sorted(shown.tolist()), sorted(expected.tolist()))
        assert axes.collections[0].get_rasterized()
        lines = lines_of(axes)
        np.testing.assert_allclose(lines["ideal"][:, 0], lines["ideal"][:, 1])
        fit = stats.linregress(row.true[chosen], row.predicted[chosen])
        label = next(label for label in lines if label.startswith("fit"))
        assert f"{fit.slope:.3f}" in label
        x, y = lines[label].T
        np.testing.assert_allclose(y, fit.intercept + fit.slope * x)
    assert "$N$" in panels[0].get_xlabel() and r"\alpha" in panels[2].get_ylabel()


def test_the_gradient_is_read_from_the_table(rows):
    table = rows[0].metrics.assign(gradient=0.123)
    changed = predictions.Row("N", rows[0].true, rows[0].predicted, rows[0].subset, table)
    left = panels_of(predictions_figure([changed], None))[0]
    assert any("0.123" in label for label in lines_of(left))


def test_error_distributions_are_normalised_and_ordered(rows):
    figure = predictions_figure(rows[1:], None)
    right = panels_of(figure)[1]
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels == [r"$\alpha=-1.6$", r"$\alpha=-2.4$", r"varied $\alpha$"]
    errors = rows[1].predicted - rows[1].true
    for step, subset in zip(right.patches, ("alpha-1.6", "alpha-2.4", "varied"), strict=True):
        values, edges, _ = step.get_data()
        chosen = errors[rows[1].subset == subset]
        inside = np.mean((chosen >= edges[0]) & (chosen <= edges[-1]))
        assert (values * np.diff(edges)).sum() == pytest.approx(inside)


@pytest.mark.parametrize("note", [NOTE, None])
def test_stamp(sample, note):
    figure = substructure.mass_figure(sample, note)
    assert [text.get_text() for text in figure.texts] == ([note] if note else [])


def test_figures_leave_matplotlib_settings_alone(sample):
    before = dict(matplotlib.rcParams)
    substructure.mass_figure(sample, NOTE)
    assert dict(matplotlib.rcParams) == before


def test_saved_files_are_reproducible_and_of_readable_size(rows, tmp_path):
    for name in ("a", "b"):
        figure = predictions_figure(rows, NOTE)
        style.save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        first, second = (tmp_path / f"{name}.{kind}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    assert b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()
    size = struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24])
    assert 1000 <= max(size) <= 1400


def test_no_text_covers_another(population, sample, lens, rows):
    for figure in (
        geometry.geometry_figure(population, PARENTS, NOTE),
        substructure.mass_figure(sample, NOTE),
        example.example_figure(lens, 0.2, NOTE),
        predictions_figure(rows, NOTE),
        predictions_figure(rows[1:], NOTE),
    ):
        assert texts_overlap(figure) == []


@pytest.mark.slow
def test_scripts(tmp_path, population, sample, lens, arrays):
    files = {}
    for name, contents in {"population": population, "sample": sample, "example": lens}.items():
        files[name] = tmp_path / f"{name}.h5"
        storage.write_h5(files[name], contents, {"pixel_scale": 0.2})
    paths = []
    for name, target in (("n_cnn", "N"), ("alpha_cnn", "alpha")):
        paths.append(tmp_path / f"{name}_seed3.h5")
        storage.write_h5(paths[-1], arrays[name], {"target": target})
    frames = evaluate(paths, "fixed", 5)
    # Another seed's rows must not be taken for this one's.
    pd.concat([frames.assign(seed=1, gradient=9.0), frames]).to_csv(tmp_path / "m.csv")
    inputs = {
        "scutt_fig1": {"population": files["population"]},
        "scutt_fig2": {"sample": files["sample"]},
        "scutt_fig3": {"example": files["example"]},
        "scutt_fig4": {},
        "scutt_predictions": {"metrics": tmp_path / "m.csv", "predictions": paths},
    }
    params = {
        "scutt_fig1": {"parents": PARENTS},
        "scutt_fig4": {"n_cnn": N_SPEC, "alpha_cnn": ALPHA_SPEC, "image_shape": [1, 60, 60]},
    }
    for name, given in inputs.items():
        job = SimpleNamespace(
            input=SimpleNamespace(**given),
            output=SimpleNamespace(pdf=tmp_path / f"{name}.pdf", png=tmp_path / f"{name}.png"),
            params=SimpleNamespace(note=NOTE, **params.get(name, {})),
        )
        runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": job})
        assert job.output.pdf.read_bytes().startswith(b"%PDF")
        assert job.output.png.read_bytes().startswith(b"\x89PNG")
