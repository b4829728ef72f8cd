"""Random mistakes in configs: each is refused in a few lines, or all that rules ask for is told.

make test-config MUTATIONS=200   # and one in forty is planned by Snakemake
"""

import copy
import os
import random

import pytest
from conftest import ROOT
from workflows import overlay, snakemake

from lenscnn.config.checks import SCALES, keep_order, values_of_scale
from lenscnn.papers.paper import settings_behind
from lenscnn.papers.registry import DESCRIBE_RUN, make_papers, mistakes_in, targets_of

MUTATIONS = int(os.environ.get("LENSCNN_MUTATIONS", "0"))
FIRST_SEED = int(os.environ.get("LENSCNN_MUTATIONS_SEED", "1"))
WRONG = [None, True, "", "words", -1, 0, 0.5, 3, 1e9, float("nan"), [], [1, 1], ["x"], {}, {"x": 1}]


def places(node, path=()):
    """Paths of all values of a config."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def mutate(values, rng):
    """Make one mistake, in place; return what it was."""
    path = rng.choice(list(places(values)))
    node = values
    for key in path[:-1]:
        node = node[key]
    kinds = ["replace", "scale"] if isinstance(node, list) else ["replace", "scale", "drop", "typo"]
    kind, key = rng.choice(kinds), path[-1]
    if kind == "drop":
        del node[key]
    elif kind == "typo":
        at = rng.randrange(len(key))
        node[key[:at] + key[at + 1 :] + rng.choice("aex")] = node.pop(key)
    elif kind == "scale" and isinstance(node[key], int | float) and not isinstance(node[key], bool):
        node[key] *= rng.choice([-1, 0, 10, 1000, 0.1])
    else:
        node[key] = copy.deepcopy(rng.choice(WRONG))
    now = node.get(key) if isinstance(node, dict) else node
    return f"{kind} {'.'.join(map(str, path))}: {str(now)[:80]}"


def compose_all(values):
    """All that rules ask of papers when the workflow is planned."""
    keep_order(values, values_of_scale(ROOT / "config", "paper"))
    papers = make_papers(values)
    for paper in papers.values():
        DESCRIBE_RUN[type(paper)](paper, paper)
        targets_of(paper)
        for path in paper.all_predictions():
            settings_behind(paper, path)
        for view in paper.views:
            for split in ("train", "test"):
                paper.images_spec(view, split)
                paper.shards(view, split)


def check(seed):
    """Refuse or plan a config with one mistake; return what it was, and the lines."""
    rng = random.Random(seed)
    values = values_of_scale(ROOT / "config", rng.choice(SCALES))
    values["scale"] = "mine"  # values of its own
    what = mutate(values, rng)
    mutated = copy.deepcopy(values)
    try:
        lines = mistakes_in(values, ROOT / "config")
        if not lines:
            compose_all(values)
    except Exception as error:
        pytest.fail(f"seed {seed}, {what}: {type(error).__name__}: {error}")
    assert len(lines) <= 5, (seed, what, lines)
    for line in lines:
        assert line.startswith("config key ") and len(line) <= 400 and "\n" not in line, (
            what,
            line,
        )
    return what, mutated, lines


def test_a_random_mistake_is_refused_in_a_few_lines_or_planned(tmp_path):
    refused, accepted = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + (MUTATIONS or 60)):
        what, mutated, lines = check(seed)
        (refused if lines else accepted).append((what, mutated))
    print(f"{len(refused)} refused, {len(accepted)} planned")
    assert len(refused) > len(accepted) > 0
    for what, mutated in accepted[: MUTATIONS // 40]:
        path = overlay(tmp_path, "mutated", mutated)
        text = snakemake("-n", "--configfile", path, "--", "all", check=False)
        assert "This was a dry-run" in text, (what, text[-1000:])
