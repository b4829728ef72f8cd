"""What is said of Scutt where the config differs from the paper."""

import copy

import pytest

from lenscnn.papers.registry import make_papers, targets_of
from lenscnn.papers.scutt.claims import describe_run


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("scene", "source_sigma", 0.5, "source_sigma 0.5 (0.9)"),
        ("population", "z_lens", 0.5, "z_lens 0.5 (1.0)"),
        ("networks", "n_cnn", None, "networks.n_cnn.dense 16 (512)"),
    ],
)
def test_a_change_is_told_of_every_view(config, section, key, value, told):
    own = copy.deepcopy(config)
    part = own["scutt"][section]
    part[key] = {**part[key], "dense": 16} if value is None else value
    for name in ("scutt", "scutt_as_run"):
        paper = make_papers(own, config)[name]
        assert all(told in paper.changed(view) for view in paper.views)
        changed = describe_run(paper, paper)["changed"]  # for the ledger
        assert changed.keys() == {*paper.views} and told in changed["varied"]
        target = next(target for target in targets_of(paper) if target.name == "table1")
        assert target.params["run"]["changed"] == f"; not as the paper: {told}"
        assert paper.note(["fixed"]).endswith(f"; not as the paper: {told}")


def test_limits_of_a_sample_know_what_of_its_lenses_is_changed(config):
    own = copy.deepcopy(config)
    own["scutt"]["samples"]["varied"]["theta_E"]["mean"] = 1.1
    own["scutt"]["scene"]["source_sigma"] = 0.5  # nothing that a sample knows of
    targets = targets_of(make_papers(own, config)["scutt"])
    limits = next(target for target in targets if target.name == "limits")
    told = "geometry.theta_E.mean 1.1 (1.5)"
    assert limits.params["changed"] == {"fixed": [], "varied": [told]}


def test_another_sample_of_a_view_is_told_by_what_it_is(config):
    own = copy.deepcopy(config)
    own["scutt"]["views"]["lowres"]["sample"] = "varied"
    changed = make_papers(own, config)["scutt"].changed("lowres")
    assert "geometry.kind varied (fixed)" in changed
    assert not any(change.startswith("draw ") for change in changed)


def test_variants_and_views_of_ones_own_have_nothing_printed(config):
    own = copy.deepcopy(config)
    own["scutt"]["variants"]["quiet"] = {"mass_function": "powerlaw", "noise": "peak_fraction"}
    own["scutt"]["views"]["mine"] = {**own["scutt"]["views"]["fixed"], "psf_sigma": 0.2}
    papers = make_papers(own, config)
    assert papers["quiet"].changed("fixed") == papers["scutt"].changed("mine") == []
    assert papers["scutt"].changed("fixed") == []


def test_sizes_and_seeds_change_nothing(config):
    own = copy.deepcopy(config) | {"seed": 7}
    own["scutt"]["sets"]["n_train"] = 100
    own["scutt"]["training"]["epochs"] = 1
    own["scutt"]["scene"]["supersampling"] = 4
    paper = make_papers(own, config)["scutt"]
    assert not any(map(paper.changed, paper.views))
