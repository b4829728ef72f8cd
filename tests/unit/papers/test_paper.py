"""What is common to the papers."""

import re

import pytest

from lenscnn.papers.paper import describe_epochs
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
