"""What is common to the papers."""

import copy
import re

import pandas as pd
import pytest

from lenscnn.papers.paper import describe_epochs, mark_changes
from lenscnn.papers.registry import make_papers, targets_of


@pytest.mark.parametrize(
    ("epochs", "patience", "text"),
    [
        (1, None, "1 epoch"),
        (20, None, "20 epochs"),
        (10, 10, "10 epochs"),
        (100, 10, "at most 100 epochs"),
    ],
)
def test_a_stamp_says_how_long_networks_trained(epochs, patience, text):
    assert describe_epochs({"epochs": epochs, "patience": patience}) == text


def test_rows_of_a_table_say_what_is_changed():
    table = pd.DataFrame({"view": ["a", "b", "c"], "beside": ["b", "b", "c"], "rms": 0.1})
    changed = {"a": ["seeing 1 (2)"], "b": ["sky 3 (4)", "seeing 1 (2)"]}
    marked = mark_changes(table, changed, table["view"], table["beside"])
    both = "seeing 1 (2); sky 3 (4)"
    assert list(marked["changed"]) == [both, "sky 3 (4); seeing 1 (2)", ""]
    pd.testing.assert_frame_equal(marked.drop(columns="changed"), table)
    pd.testing.assert_frame_equal(mark_changes(table, {"other": ["x 1 (2)"]}, table["view"]), table)


def test_every_table_is_told_what_is_changed(config):
    own = copy.deepcopy(config)
    own["scutt"]["population"]["z_lens"] = 0.5
    own["pearson2019"]["criteria"]["mu"] = 2.0
    own["pearson2019"]["study"]["cameras"] = ["vis", "r"]
    for of, told in ((config, False), (own, True)):
        tables = {
            f"{name} {target.name}": target.params["changed"]
            for name, paper in make_papers(of, config).items()
            for target in targets_of(paper)
            if "csv" in target.suffixes
        }
        assert len(tables) > 12
        for name, changed in tables.items():
            assert bool(any(changed.values())) is told, name
    assert tables["pearson2019 table1"]["vis_light"] == ["criteria.mu 2.0 (3.0)"]
    assert tables["pearson2019 study_table"]["r_light"] == ["criteria.mu 2.0 (3.0)"]


def test_labels_sort_as_the_paper_counts(config):
    """Figure 2 before figure 10, figures before tables."""
    for paper in make_papers(config).values():
        by_label = sorted(targets_of(paper), key=lambda target: target.label)
        names = [target.name for target in by_label]
        numbered = [name for name in names if re.fullmatch(r"(fig|table)\d+", name)]
        figures = sum(name.startswith("fig") for name in numbered)
        tables = len(numbered) - figures
        expected = [f"fig{n + 1}" for n in range(figures)] + [
            f"table{n + 1}" for n in range(tables)
        ]
        assert numbered == expected
