"""Relations between the values of Scutt's part of the config."""

import re

from lenscnn.config.checks import (
    check_entries,
    check_estimates,
    check_name,
    check_network,
    check_pooling,
    report,
)
from lenscnn.papers.scutt.specs import RIDGE


def check(config: dict) -> None:
    """Report values that contradict each other.

    Parameters
    ----------
    config
        The part ``scutt``.
    """
    check_entries(config["variants"], ("scutt",), "scutt.variants")
    check_entries(config["views"], ("fixed", "lowres", "varied"), "scutt.views")
    for name in config["variants"]:
        if re.fullmatch(r"scutt_(masses|example|skill|fig\w*|table\w*)", name):
            report(f"scutt.variants.{name}", "a target has this name; choose another")
    for name in config["networks"]:
        if name.endswith("_true_n") or name in RIDGE:
            report(f"scutt.networks.{name}", "an estimate has this name; choose another")
    check_entries(config["networks"], ("n_cnn", "alpha_cnn"), "scutt.networks")
    for name, target, knows_n in (("n_cnn", "N", False), ("alpha_cnn", "alpha", True)):
        key = f"scutt.networks.{name}"
        check_estimates(config["networks"][name], [target], knows_n, key)
    for name, variant in config["variants"].items():
        check_name(
            variant["mass_function"],
            config["mass_functions"],
            f"scutt.variants.{name}.mass_function",
        )
    z_lens = config["population"]["z_lens"]
    z_sources = {
        "fixed.z_source": config["samples"]["fixed"]["z_source"],
        "varied.z_source.minimum": config["samples"]["varied"]["z_source"]["minimum"],
    }
    for key, z_source in z_sources.items():
        if z_source <= z_lens:
            report(f"scutt.samples.{key}", f"{z_source} is not behind the lens, z_lens = {z_lens}")
    for name, network in config["networks"].items():
        check_network(network, f"scutt.networks.{name}")
    for name, view in config["views"].items():
        for network in view["networks"]:
            check_name(network, config["networks"], f"scutt.views.{name}.networks")
            check_pooling(config["networks"][network], view["n_pix"], f"scutt.networks.{network}")
        needed = ["n_cnn"] + ["alpha_cnn"] * (name in ("fixed", "lowres", "varied"))
        if missing := [network for network in needed if network not in view["networks"]]:
            report(
                f"scutt.views.{name}.networks",
                f"{missing[0]} is missing: figures show it, or others take N from it",
            )
