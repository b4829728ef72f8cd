"""Figures of pearson2019's limits: what is drawn, where, and whether it can be read."""

import numpy as np
import pandas as pd
import pytest
from drawn import LOOKS, lines_of, texts_overlap

from lenscnn.papers.pearson2019.limits import figures
from lenscnn.papers.pearson2019.limits.metrics import LIMIT
from lenscnn.papers.registry import make_papers, targets_of

NOTE = "pearson2019, scale smoke"


def errors_of(view, network, e1):
    targets = {"e1": e1, "phi": 10 * e1}
    rows = {"view": view, "estimate": network, "seed": 0, "n": 9, "target": targets.keys()}
    return pd.DataFrame(rows | {"rms": targets.values(), "rms_err": 0.01})


def limits_of(e1):
    rows = [
        {"kind": kind, "target": target, "rms": factor * (1 + (target == "phi")) * e1}
        for kind, factor in ((LIMIT, 1), ("image", 3), ("scaled", 9))
        for target in ("e1", "phi")
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def misaligned():
    """Three tests, of networks without scatter and, at the last of them, with the same."""
    tested = {"a": 0, "b": 10, "c": 20}
    trained = {"far": 60, "c": 20, "a": 0}
    axes = {"phi": {"tested": tested, "trained": trained, "least": "a", "slacs": 10.0}}
    limits = {view: limits_of(0.01 * (1 + k)) for k, view in enumerate(tested)}
    metrics = {view: errors_of(view, "a", 0.1 * (1 + k)) for k, view in enumerate(tested)}
    metrics["c"] = pd.concat([metrics["c"], errors_of("c", "c", 0.05)])
    return limits, metrics, axes


def test_misalignment_has_each_networks_errors_at_the_scatter_of_the_test(misaligned):
    figure = figures.misalignment_figure(*misaligned, NOTE)
    assert len(figure.axes) == 2 and not texts_overlap(figure)
    for axes, factor, network in zip(figure.axes, (1, 2), (1, 10), strict=True):
        lines = lines_of(axes)
        limit = factor * np.array([0.01, 0.02, 0.03])
        np.testing.assert_allclose(lines["estimated limit"].T, [[0, 10, 20], limit])
        np.testing.assert_allclose(lines["limit of the image alone"][:, 1], 3 * limit)
        np.testing.assert_array_equal(lines["scatter of SLACS"][:, 0], [10, 10])
        found = {bars.get_label(): bars.lines[0].get_xydata() for bars in axes.containers}
        np.testing.assert_allclose(
            found["network trained without scatter"].T,
            [[0, 10, 20], network * np.array([0.1, 0.2, 0.3])],
        )
        np.testing.assert_allclose(
            found["network trained at that scatter"], [[0, network * 0.1], [20, network * 0.05]]
        )


def test_misalignment_needs_the_network_trained_at_each_scatter(misaligned):
    limits, metrics, axes = misaligned
    metrics["c"] = errors_of("c", "a", 0.3)
    with pytest.raises(ValueError, match="view c hold no estimate 'c'"):
        figures.misalignment_figure(limits, metrics, axes, NOTE)


def test_misalignment_asks_for_no_network_that_is_not_trained(config):
    """Of 16 test views: the one without scatter in all, and 8 that were trained so."""
    paper = make_papers(config, config)["pearson2019"]
    target = next(t for t in targets_of(paper) if t.name == "limits_misalignment")
    needed = target.inputs["predictions"]
    assert len(target.inputs["limits"]) == len(target.inputs["metrics"]) == 16
    assert set(needed) <= set(paper.all_predictions())
    assert len(needed) == len(set(needed)) == 16 + 8
    least = {name: axis["least"] for name, axis in target.params["axes"].items()}
    assert set(least.values()) == {paper.scatter_view("phi", 0)} and len(least) == 3


def fits_of(view, starts, n=100):
    rows = [
        {"view": view, "estimate": start, "target": target, "n": n if start != "lenstronomy_blind"
         else n // 10, "rms": 0.1 * (1 + k), "network": 0.4, "limit": 0.02, "failed": 0.01 * k,
         "cpu_seconds": np.nan if start == "cnn" else 10.0**k}
        for k, start in enumerate(starts) for target in ("theta_E", "e1", "e2")
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("swarm", [True, False])
def test_fits_are_drawn_by_where_they_start(swarm):
    """Lenstronomy's rows may be absent, from all views or from some."""
    ours = ["cnn", "blind", "truth", "network", "truth_alone"]
    starts = [*ours, "lenstronomy_blind"] if swarm else ours
    table = pd.concat([fits_of("vis_removed", starts), fits_of("r_removed", ours)])
    figure = figures.fits_figure(table, LOOKS, NOTE)
    assert not texts_overlap(figure)
    theta_E, e1, failures, cpu = figure.axes
    order = ["truth_alone", "truth", "network", "blind", "lenstronomy_blind", "cnn"]
    order = [start for start in order if start in starts]
    names = [text.get_text() for text in theta_E.get_yticklabels()]
    assert names == [
        f"{figures.STARTS[start]}\n{10 if start == 'lenstronomy_blind' else 100} images"
        for start in order
    ]
    for axes in (theta_E, e1):
        lines = lines_of(axes)
        for label, found in (("Euclid VIS", starts), ("LSST $r$", ours)):
            placed = {order[round(y)]: x for x, y in lines[label]}
            assert placed == {
                start: pytest.approx(0.1 * (1 + k))
                for k, start in enumerate(found)
                if start != "cnn"
            }
    bars = {order[round(bar.get_y() + 0.1)]: bar.get_width() for bar in failures.patches[:6]}
    assert bars["blind"] == pytest.approx(1) and bars["truth"] == pytest.approx(2)
    seconds = {order[round(y)]: x for x, y in cpu.lines[0].get_xydata()}
    assert seconds["network"] == 1000 and np.isnan(seconds["cnn"])
