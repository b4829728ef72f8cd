"""What is common to the papers."""

import pytest

from lenscnn.papers.paper import describe_epochs


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
