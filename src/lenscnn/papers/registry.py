"""The papers by name.

A third one is a folder beside these, lines here, in results.py and in config.py, and its inputs in
workflow/rules/claims.smk and scripts/claims.py.
"""

from collections.abc import Mapping
from functools import partial

from lenscnn.config.checks import (
    check_distributions,
    check_scale,
    find_mistakes,
)
from lenscnn.config.model import check_types
from lenscnn.papers.config import Config, config_of_scale
from lenscnn.papers.paper import Paper, Target
from lenscnn.papers.pearson2019.checks import check as check_pearson2019
from lenscnn.papers.pearson2019.claims import describe_run as describe_pearson2019
from lenscnn.papers.pearson2019.limits.targets import limit_targets
from lenscnn.papers.pearson2019.specs import Pearson2019
from lenscnn.papers.pearson2019.study import targets as study_targets
from lenscnn.papers.pearson2019.targets import targets as pearson2019_targets
from lenscnn.papers.scutt.checks import check as check_scutt
from lenscnn.papers.scutt.claims import describe_run as describe_scutt
from lenscnn.papers.scutt.specs import Scutt
from lenscnn.papers.scutt.targets import targets as scutt_targets

_TARGETS = {
    Scutt: [scutt_targets],
    Pearson2019: [pearson2019_targets, limit_targets, study_targets],
}

_CHECKS = {"scutt": check_scutt, "pearson2019": check_pearson2019}
"""Checks of a paper's part of the config."""

DESCRIBE_RUN = {Scutt: describe_scutt, Pearson2019: describe_pearson2019}
"""Functions that tell the results of a paper (`results.RESULTS`) about its run, by its class."""


def mistakes_in(config: dict, folder) -> list[str]:
    """Check a config; read numbers and fill in defaults as the types have them, in place.

    Parameters
    ----------
    config
        As YAML and Snakemake give it.
    folder
        Of config.yaml and the overlays of the project's own scales.

    Returns
    -------
    list of str
        A line for each mistake, with its key, what is wrong, and what to do. Relations between
        values are looked at where each value by itself is right.
    """
    if mistakes := check_types(Config, config):
        return mistakes
    own = config_of_scale(folder, config["scale"])
    return find_mistakes(
        [
            partial(check_distributions, config),
            *(partial(check, config[paper]) for paper, check in _CHECKS.items()),
            partial(check_scale, config, own),
        ]
    )


def make_papers(config: dict, printed: dict | None = None) -> Mapping[str, Paper]:
    """Return the papers that a config describes, by name; each variant of Scutt is one.

    Parameters
    ----------
    config
        The whole config.
    printed
        The config with the values that the papers print, at the same size. Products say what
        differs from it.
    """
    known = printed["scutt"]["variants"] if printed else ()
    variants = {
        name: Scutt(config, name, Scutt(printed, name) if printed and name in known else None)
        for name in config["scutt"]["variants"]
    }
    pearson2019 = Pearson2019(config, Pearson2019(printed) if printed else None)
    return variants | {pearson2019.name: pearson2019}


def targets_of(paper: Paper) -> list[Target]:
    """Return the figures and tables of a paper."""
    return [target for targets in _TARGETS[type(paper)] for target in targets(paper)]
