import itertools
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from drawn import LOOKS, texts_overlap
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lenscnn.claims import registry
from lenscnn.claims.registry import read_registry
from lenscnn.core import storage
from lenscnn.papers.pearson2019 import metrics, tables
from lenscnn.papers.pearson2019.figures import errors
from lenscnn.plotting import style
from lenscnn.stats import over_seeds

SCRIPTS = ROOT / "scripts"
CLAIMS = ROOT / "config/claims.csv"
REGISTRY = read_registry(CLAIMS)
NOTE = "pearson2019, scale smoke"
CAMERAS = ("vis", "r", "gri")
COLUMNS = {name: look["label"] for name, look in LOOKS.items()} | {"vis_dark": "Euclid VIS, dark"}
RUN = {"paper": "pearson2019", "scale": "smoke", "changed": ""}
CORE = [f"{camera}_{light}" for light in ("removed", "kept") for camera in CAMERAS]
BINS = {
    "theta_E": [0.2, 0.8, 1.4, 2.0],
    "phi": [0, 1.5, 3.2],
    "ellipticity": [0, 0.3, 0.7],
    "theta_E_over_R_e": [0, 1, 2, 4],
    "snr": [20, 100, 400, 1e6],
}


@pytest.fixture
def predictions(tmp_path):
    """Writes a predictions file; the last lenses are the only ones of SNR above 400."""

    def write(view, network, seed, scale=0.05, n=400):
        rng = np.random.default_rng(len(view) + 10 * seed)
        e1, e2 = rng.normal(0, 0.15, (2, n)).clip(-0.5, 0.5)
        true = np.stack([rng.uniform(0.3, 1.9, n), e1, e2], axis=1)
        arrays = {
            "true": true,
            "predicted": true + rng.normal(0, scale, (n, 3)),
            "snr": np.r_[rng.uniform(20, 390, n - 5), np.full(5, 500.0)],
            "lens_R_sersic": rng.uniform(0.5, 1, n),
        }
        path = tmp_path / "predictions" / view / f"{network}_seed{seed}.h5"
        storage.write_h5(path, arrays, {"target": "theta_E e1 e2"})
        return path

    return write


def rms_rows(view, network, rms, seed=0, error=0.01):
    """Rows of `metrics.evaluate` with the RMS given for theta_E and multiples for the rest."""
    rows = pd.DataFrame({"view": view, "estimate": network, "seed": seed,
                         "target": metrics.ERRORS, "n": 100})  # fmt: skip
    rms = rms * (1 + np.arange(len(rows)))
    return rows.assign(rms=rms, rms_err=error, bias=0.0, bias_err=error)


def joined(*frames):
    return pd.concat(frames, ignore_index=True)


def drawn(axes):
    """x, y and half the error bar of each errorbar series with points, by label."""
    found = {}
    for container in axes.containers:
        x, y = container.lines[0].get_data(orig=False)
        bars = container.lines[2][0].get_segments()
        error = [(bar[1, 1] - bar[0, 1]) / 2 for bar in bars]
        found.setdefault(container.get_label(), []).append(tuple(map(np.array, (x, y, error))))
    return found


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_seeds_are_averaged_and_the_error_is_that_of_their_mean():
    frame = joined(*(rms_rows("v", "v", rms, seed=k) for k, rms in enumerate((0.1, 0.3, 0.2))))
    other = rms_rows("v", "w", 9.0)
    table = over_seeds.rms_of(joined(frame, other), "v", ["target"]).set_index("target")
    row = table.loc["theta_E"]
    assert (row["n_seeds"], row["n"]) == (3, 100)
    assert row["rms"] == pytest.approx(0.2)
    assert row["rms_scatter"] == pytest.approx(0.1)  # of 0.1, 0.2, 0.3
    # Seeds share the test images: only their scatter shrinks with their number.
    assert row["rms_error"] == pytest.approx((0.01**2 + 0.1**2 / 3) ** 0.5)
    single = over_seeds.rms_of(other, "w", ["target"])
    assert single["rms_scatter"].isna().all()
    np.testing.assert_allclose(single["rms_error"], 0.01)


@pytest.mark.parametrize(
    ("n_seeds", "said"),
    [([1, 1], "One training seed"), ([3, 3], "over 3 training"), ([1, 3], "over 1 to 3 training")],
)
def test_a_caption_says_how_many_seeds_there_are(n_seeds, said):
    assert said in over_seeds.describe_seeds(pd.Series(n_seeds))


def test_a_missing_network_is_named():
    with pytest.raises(ValueError, match=r"view vis_kept hold no estimate 'r_kept'.*'vis_kept'"):
        over_seeds.rms_of(rms_rows("vis_kept", "vis_kept", 0.1), "r_kept", ["target"])


@pytest.fixture
def binned(predictions):
    frames = {}
    for view in CORE:
        paths = [predictions(view, view, seed) for seed in (0, 1)]
        if view == "vis_removed":  # a network of other images is not this view's
            paths.append(predictions(view, "vis_removed_visits4", 0, scale=5))
        frames[view] = metrics.evaluate_binned(paths, view, BINS)
    return frames


def test_fig8_shows_each_views_own_network(binned):
    figure = errors.parameter_figure(binned, LOOKS, NOTE)
    assert len(figure.axes) == 12
    targets = ("fractional_theta_E", "phi", "ellipticity")
    by = ("theta_E", "phi", "ellipticity", "theta_E_over_R_e")
    for axes, (name, target) in zip(figure.axes, itertools.product(by, targets), strict=True):
        rows = binned["vis_kept"]
        rows = rows[(rows["by"] == name) & (rows["target"] == target)]
        # Statistic, seed, bin.
        mean, rms, error = (
            np.array([rows[rows["seed"] == seed][column] for seed in (0, 1)])
            for column in ("mean", "rms", "rms_err")
        )
        (found,) = drawn(axes)["Euclid VIS, lens light kept"]
        np.testing.assert_allclose(found[0], mean.mean(axis=0))
        np.testing.assert_allclose(found[1], rms.mean(axis=0))
        # The error of a mean of two is half their difference.
        half = np.hypot(error.mean(axis=0), np.diff(rms, axis=0)[0] / 2)
        np.testing.assert_allclose(found[2], half, rtol=1e-6)
        assert axes.get_ylim()[0] == 0
    # The networks of other images would take the axis to ten times this.
    assert figure.axes[0].get_ylim()[1] < 1


def test_fig8_tells_views_apart(binned):
    figure = errors.parameter_figure(binned, LOOKS, NOTE)
    for axes in figure.axes[:9]:
        lines = {box.get_label(): box.lines[0] for box in axes.containers}
        assert len(lines) == 6
        for name, colour in (
            ("Euclid VIS", style.BLUE),
            ("LSST $r$", style.GREEN),
            ("LSST $gri$", style.VERMILION),
        ):
            for light, dashes in (("removed", "--"), ("kept", "-")):
                line = lines[f"{name}, lens light {light}"]
                assert (line.get_color(), line.get_linestyle()) == (colour, dashes)
    for axes in figure.axes[9:]:
        assert len(drawn(axes)) == 3
        assert all(label.endswith("kept") for label in drawn(axes))
    assert sorted(legend_of(figure)) == sorted(drawn(figure.axes[0]))
    assert not texts_overlap(figure)


def test_a_figure_of_few_lenses_says_so(predictions):
    few = {
        view: metrics.evaluate_binned([predictions(view, view, 0, n=19)], view, BINS)
        for view in CORE
    }
    removed = {view: few[view] for view in CORE[:3]}
    bright = {view: rms_rows("b", view, 0.1).assign(n=4) for view in removed}
    for figure in (
        errors.parameter_figure(few, LOOKS, NOTE),
        errors.snr_figure(removed, bright, 400, LOOKS, NOTE),
    ):
        FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            assert [text.get_text() for text in axes.texts] == ["no bin of 20 lenses"]


TRAINED = {"caustic_e0_phi0": 0, "caustic_e0_phi10": 10, "caustic_e0_phi60": 60}
TESTED = [0, 5, 30]


@pytest.fixture
def scattered():
    """RMS of theta_E 0.1 (test + 1) + training / 1000; other targets are its multiples."""
    return [
        joined(*(rms_rows(f"t{k}", view, 0.1 * (k + 1) + x / 1000) for view, x in TRAINED.items()))
        for k in range(len(TESTED))
    ]


def test_scatter_figure_has_a_line_for_each_training(scattered):
    control = joined(rms_rows("caustic_removed", "caustic_removed", 0.02), scattered[0])
    control["view"] = "caustic_removed"
    figure = errors.scatter_figure(scattered, control, TESTED, TRAINED, "phi", 10, NOTE)
    assert len(figure.axes) == 3
    # theta_E, phi and ellipticity are the first, fifth and fourth of ERRORS.
    for axes, factor in zip(figure.axes, (1, 5, 4), strict=True):
        series = drawn(axes)
        assert list(series) == [rf"trained at $\sigma_\phi = {x}$°" for x in TRAINED.values()]
        for x, ((tested, rms, error),) in zip(TRAINED.values(), series.values(), strict=True):
            np.testing.assert_array_equal(tested, TESTED)
            np.testing.assert_allclose(rms, factor * (np.array([0.1, 0.2, 0.3]) + x / 1000))
            np.testing.assert_allclose(error, 0.01)
        lines = {line.get_label(): line for line in axes.lines}
        dashed = lines["lens light removed (control)"]
        np.testing.assert_allclose(dashed.get_ydata(), factor * 0.02)
        assert (dashed.get_color(), dashed.get_linestyle()) == (style.BLACK, "--")
        np.testing.assert_allclose(lines["scatter of SLACS"].get_xdata(), 10)
    assert "[arcsec]" in figure.axes[0].get_ylabel()
    assert "[rad]" in figure.axes[1].get_ylabel()
    assert "[deg]" in figure.axes[2].get_xlabel()
    assert len(legend_of(figure)) == 5
    assert not texts_overlap(figure)


@pytest.mark.parametrize(
    ("axis", "xlabel", "label"),
    [("e", "ellipticity", "= 0.12$"), ("both", "multiples", "0.12 × SLACS")],
)
def test_scatter_figure_names_its_axis(scattered, axis, xlabel, label):
    control = rms_rows("caustic_removed", "caustic_removed", 0.02)
    trained = {"caustic_e0_phi0": 0.12}
    figure = errors.scatter_figure(scattered, control, TESTED, trained, axis, 1, NOTE)
    assert xlabel in figure.axes[2].get_xlabel()
    assert any(label in text for text in legend_of(figure))


def test_too_many_lines_are_refused(scattered):
    trained = {f"v{k}": k for k in range(7)}
    with pytest.raises(ValueError, match="7 lines, of which 6 can be told apart"):
        errors.visits_figure(scattered, TESTED, trained, NOTE)


def test_fig14_has_a_line_for_each_number_of_visits(scattered):
    trained = {"caustic_e0_phi10": 1, "caustic_e0_phi60": 100}
    figure = errors.visits_figure(scattered, [1, 4, 100], trained, NOTE)
    for axes in figure.axes:
        assert list(drawn(axes)) == ["trained on 1 visit", "trained on 100 visits"]
    ((x, y, _),) = drawn(figure.axes[0])["trained on 100 visits"]
    np.testing.assert_array_equal(x, [1, 4, 100])
    np.testing.assert_allclose(y, [0.16, 0.26, 0.36])
    axes = figure.axes[2]
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "4", "100"]
    assert not texts_overlap(figure)


def test_fig13_shows_bins_at_their_lower_edges_and_bright_systems_open(binned):
    removed = {view: binned[view] for view in CORE[:3]}
    bright = {view: rms_rows("b", view, 0.1) for view in removed}
    figure = errors.snr_figure(removed, bright, 400, LOOKS, NOTE)
    titles = [f"{look['label']}, lens light removed" for look in LOOKS.values()]
    assert [axes.get_title() for axes in figure.axes] == titles
    # What is drawn, over the RMS; `rms_rows` gives theta_E 0.1, e1 0.2 and so on.
    factors = {"theta_E": 1, "e1": 1, "e2": 1, "phi": 1 / np.pi, "ellipticity": 1}
    for axes, view in zip(figure.axes, removed, strict=True):
        series = [box for box in axes.containers if len(box.lines[0].get_xdata())]
        filled, hollow = series[::2], series[1::2]
        for k, (target, factor) in enumerate(factors.items()):
            rows = removed[view]
            rows = rows[(rows["by"] == "snr") & (rows["target"] == target)]
            rows = rows[rows["estimate"] == view]
            x, y = filled[k].lines[0].get_data(orig=False)
            # Five lenses above 400 are too few.
            np.testing.assert_array_equal(x, [20, 100])
            expected = rows[rows["low"] < 400].groupby("low")["rms"].mean()
            np.testing.assert_allclose(y, factor * expected)
            x, y = hollow[k].lines[0].get_data(orig=False)
            np.testing.assert_array_equal(x, [400])
            multiple = 1 + metrics.ERRORS.index(target)
            np.testing.assert_allclose(y, factor * 0.1 * multiple)
            assert hollow[k].lines[0].get_markerfacecolor() == "white"
            assert hollow[k].lines[0].get_color() == filled[k].lines[0].get_color()
    assert figure.axes[2].get_xscale() == "log"
    assert legend_of(figure)[-1] == r"SNR $\geq$ 400: bright test set"
    assert len(legend_of(figure)) == 6
    assert not texts_overlap(figure)


@pytest.fixture
def table_metrics():
    views = [*CORE, "vis_dark_removed", "vis_dark_kept", "vis_fitted", "r_fitted", "gri_fitted"]
    return {
        view: joined(
            rms_rows(view, view.replace("fitted", "removed"), 0.1 * (k + 1)),
            rms_rows(view, view.replace("fitted", "removed"), 0.1 * (k + 1) + 0.02, seed=1),
            rms_rows(view, "vis_removed_visits4", 9.0),
        )
        for k, view in enumerate(views)
    }


def test_table1(table_metrics):
    table = tables.lens_table(table_metrics, REGISTRY)
    assert list(table["target"][:5]) == ["theta_E", "e1", "e2", "ellipticity", "phi"]
    assert len(table) == 11 * 5
    table = table.set_index(["view", "target"])
    theta_E = table.xs("theta_E", level="target")
    np.testing.assert_allclose(theta_E["rms"], 0.1 * np.arange(1, 12) + 0.01)
    np.testing.assert_allclose(theta_E["rms_scatter"], 0.02 / 2**0.5)
    assert (theta_E["n_seeds"] == 2).all() and (theta_E["n"] == 100).all()
    assert table.loc[("gri_fitted", "e1"), "estimate"] == "gri_removed"
    assert table["printed"].notna().sum() == 30
    assert table.loc[("r_kept", "phi"), "printed"] == 0.335


def test_printed_values_agree_with_what_the_text_says_of_them():
    views = [f"{camera}_{light}" for camera in ("vis", "r", "gri") for light in ("removed", "kept")]
    names = ["theta_E", "ellipticity", "phi"]
    printed = pd.DataFrame(
        {view: [registry.printed(REGISTRY, "rms", view, name) for name in names] for view in views},
        index=names,
    )
    for light, drop in (("removed", 20), ("kept", 18)):  # per cent, from r to gri
        ratio = printed[f"gri_{light}"] / printed[f"r_{light}"]
        assert 100 * (1 - ratio).mean() == pytest.approx(drop, abs=1)
    for camera, drops in (("vis", (36, 20, 13)), ("r", (42, 25, 12)), ("gri", (44, 28, 13))):
        ratio = printed[f"{camera}_removed"] / printed[f"{camera}_kept"]
        np.testing.assert_allclose(100 * (1 - ratio), drops, atol=1.1)


def test_table1_latex(table_metrics):
    table = tables.lens_table(table_metrics, REGISTRY)
    latex = tables.lens_latex(table, COLUMNS, RUN)
    lines = latex.splitlines()
    rows = [line for line in lines if line.startswith(r"$\theta_\mathrm{E}$")]
    # 0.11 +- hypot(0.01, 0.02 / sqrt(2) / sqrt(2)), then the paper's number.
    assert rows[0].split(" & ")[1] == "$0.110(14)$ (0.051)"
    # CORE has the cameras of one light side by side; the dark current is the seventh view.
    assert [cell[:6] for cell in rows[0].split(" & ")[1:]] == [
        *("$0.110", "$0.210", "$0.310", "$0.710"),
    ]
    assert rows[1].split(" & ")[4] == r"$0.810(14)$ \\"
    assert rows[2].split(" & ")[4] == r"-- \\"
    assert all(row.count("&") == 4 for row in rows)
    assert sum(r"\emph{" in line for line in lines) == 3  # removed, kept, fitted
    assert "over 100 test images" in latex and r"scale: \texttt{smoke}" in latex


def test_nothing_printed_is_beside_a_changed_view(table_metrics):
    table = tables.lens_table(table_metrics, REGISTRY, {"r_kept": ["seeing 0.9 (0.7)"]})
    printed = table.set_index("view")["printed"]
    assert printed["r_kept"].isna().all() and printed["vis_kept"].notna().all()
    assert "0.335" not in tables.lens_latex(table, COLUMNS, RUN)


def test_table1_needs_each_views_network(table_metrics):
    with pytest.raises(ValueError, match="no estimate 'gri_removed'"):
        tables.lens_table({"gri_fitted": table_metrics["r_kept"]}, REGISTRY)


def test_table1_leaves_cells_without_a_view_empty(table_metrics):
    table = tables.lens_table({"vis_kept": table_metrics["vis_kept"]}, REGISTRY)
    latex = tables.lens_latex(table, COLUMNS, RUN)
    assert latex.count("--") == 4 * 5 - 5 and latex.count(r"\emph{") == 1


def test_table1_has_no_theta_E_from_the_lens_light(table_metrics):
    rows = rms_rows("vis_light", "vis_light", 0.1)
    rows.loc[rows["target"] == "theta_E", "rms"] = np.nan
    table = tables.lens_table({"vis_light": rows}, REGISTRY)
    latex = tables.lens_latex(table, COLUMNS, RUN)
    assert latex.count("--") == 4 * 5 - 4


def with_mirrors(metrics):
    """Metrics with means over mirrored images of half the error, in some views."""
    views = ("vis_removed", "gri_kept", "vis_dark_kept")
    halved = {
        view: metrics[view][metrics[view]["estimate"] == view].assign(estimate=f"{view}_mirrors")
        for view in views
    }
    halved = {view: rows.assign(rms=rows["rms"] / 2) for view, rows in halved.items()}
    return {
        view: joined(rows, halved[view]) if view in views else rows
        for view, rows in metrics.items()
    }


def test_table1_has_rows_of_the_means_over_mirrored_images(table_metrics):
    plain = tables.lens_table(table_metrics, REGISTRY)
    both = tables.lens_table(with_mirrors(table_metrics), REGISTRY)
    mirrored = both["estimate"].str.endswith("_mirrors")
    pd.testing.assert_frame_equal(both[~mirrored].reset_index(drop=True), plain)
    rows = both[mirrored].set_index(["view", "target"])
    assert len(rows) == 3 * 5 and rows["printed"].isna().all()
    assert set(rows.loc["gri_kept", "estimate"]) == {"gri_kept_mirrors"}
    single = plain.set_index(["view", "target"]).loc[rows.index]
    np.testing.assert_allclose(rows["rms"], single["rms"] / 2)
    np.testing.assert_allclose(rows["rms_scatter"], single["rms_scatter"] / 2)
    np.testing.assert_allclose(rows["rms_err"], 0.01)
    assert (rows["n_seeds"] == 2).all()


def test_table1_latex_sets_the_means_over_mirrored_images_apart(table_metrics):
    def written(metrics):
        table = tables.lens_table(metrics, REGISTRY)
        return tables.lens_latex(table, COLUMNS, RUN).splitlines()

    plain, both = written(table_metrics), written(with_mirrors(table_metrics))
    assert not any("mirror" in line for line in plain)
    added = [line for line in both if line not in plain]
    sections = [line for line in added if r"\emph{" in line]
    expected = ("removed,", "kept,")
    assert all(light in line for light, line in zip(expected, sections, strict=True))
    assert all("mean over mirrored images (not in the paper)" in line for line in sections)
    caption = [line for line in added if line.startswith(r"\caption")]
    assert (
        len(caption) == 1 and "as in the paper, the network sees each test image once" in caption[0]
    )
    rows = [line for line in added if line.startswith(r"$\theta_\mathrm{E}$")]
    # 0.055 +- hypot(0.01, 0.01 / sqrt(2) / sqrt(2)); nothing printed beside it.
    assert rows == [
        r"$\theta_\mathrm{E}$ [arcsec] & $0.055(11)$ & -- & -- & -- \\",
        r"$\theta_\mathrm{E}$ [arcsec] & -- & -- & $0.305(11)$ & $0.405(11)$ \\",
    ]
    assert len(added) == 2 * 6 + 1
    # Every row of the table without them is there, in the same order.
    kept = [line for line in both if line in plain]
    assert [line for line in kept if line != r"\midrule"] == [
        line for line in plain if line != r"\midrule" and not line.startswith(r"\caption")
    ]


@pytest.mark.slow
def test_scripts(tmp_path, predictions, binned, scattered, table_metrics):
    def stored(name, frame):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path / f"{name}.csv"

    def run(script, name, given, params, kinds=("pdf", "png")):
        job = SimpleNamespace(
            input=SimpleNamespace(**given),
            output=SimpleNamespace(**{kind: tmp_path / f"{name}.{kind}" for kind in kinds}),
            params=SimpleNamespace(**params),
        )
        runpy.run_path(str(SCRIPTS / script), {"snakemake": job})
        return [getattr(job.output, kind).read_bytes() for kind in kinds]

    bins = [stored(f"{view}_binned", binned[view]) for view in CORE]
    tests = [stored(f"t{k}", frame) for k, frame in enumerate(scattered)]
    control = stored("control", rms_rows("caustic_removed", "caustic_removed", 0.02))
    bright = [
        stored(f"{camera}_bright", rms_rows("b", f"{camera}_removed", 0.1)) for camera in CAMERAS
    ]
    for script, given, params in (
        ("fig8", {"metrics": bins}, {"views": CORE, "cameras": LOOKS}),
        (
            "scatter",
            {"metrics": tests, "control": control},
            {"tested": TESTED, "trained": TRAINED, "axis": "phi", "slacs": 10},
        ),
        (
            "fig13",
            {"binned": bins[:3], "bright": bright},
            {"views": CORE[:3], "cameras": LOOKS, "bright_from": 400},
        ),
        ("fig14", {"metrics": tests}, {"visits": [1, 4, 10], "trained": TRAINED}),
    ):
        path = f"figures/pearson2019_{script}.py"
        pdf, png = run(path, script, given, params | {"note": NOTE})
        assert pdf.startswith(b"%PDF") and png.startswith(b"\x89PNG")
    views = list(table_metrics)
    given = {"metrics": [stored(view, table_metrics[view]) for view in views], "registry": CLAIMS}
    params = {"views": views, "run": RUN, "cameras": COLUMNS, "changed": {}}
    csv, tex = run("tables/pearson2019_table1.py", "table1", given, params, ("csv", "tex"))
    assert csv.startswith(b"view,estimate,target,n_seeds,n,rms,rms_err,rms_scatter,printed\n")
    assert tex.startswith(rb"\begin{table}")
    mirrors = with_mirrors(table_metrics)
    given["metrics"] = [stored(view, mirrors[view]) for view in views]
    csv, tex = run("tables/pearson2019_table1.py", "table1", given, params, ("csv", "tex"))
    assert csv.count(b"vis_dark_kept,vis_dark_kept_mirrors,") == 5 and b"mean over mirr" in tex
