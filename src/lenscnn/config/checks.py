"""What a schema cannot say of a config: relations between its values, and the scales' own."""

import difflib
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from pathlib import Path

from lenscnn.config.yaml_files import read_configs
from lenscnn.records.provenance import changes

FREE_KEYS = {"device", "predictions", "seeds", "shard_size", "lenses_per_job"}
"""What may differ within one scale: where, in what portions and how often it is computed.

So may all below ``more_seeds``.
"""

SCALES = ("paper", "quick", "smoke")
"""Scales of the project's own, with an overlay each but for the first."""


_reported: ContextVar[list[tuple[str, str]]] = ContextVar("mistakes that checks found so far")


def report(key: str, why: str) -> None:
    """Note a mistake of the config; the check goes on, so that a user sees all at once.

    Parameters
    ----------
    key
        Where it is, dotted.
    why
        What is wrong with the value, and what to do.
    """
    _reported.get().append((key, why))


def find_mistakes(checks: Iterable[Callable[[], None]]) -> list[str]:
    """Run checks, and return a line for each mistake that they report, with the keys that have it.

    A check that needs a name which it has just reported as missing cannot go on, and ends there.
    """
    keys = {}
    for check in checks:
        reported = []
        token = _reported.set(reported)
        try:
            check()
        except KeyError:
            if not reported:
                raise
        finally:
            _reported.reset(token)
        for key, why in reported:
            keys.setdefault(why, {})[key] = None
    return [f"config key {_few(list(those))}: {why}" for why, those in keys.items()]


def _few(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more


def near(name, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the question whether a name near to one was meant; an empty text if none is near."""
    found = difflib.get_close_matches(str(name), [*known], n=1, cutoff=cutoff)
    return f"; did you mean {found[0]}?" if found else ""


def replace_one_name(path: str, names: Iterable[str]) -> list[str]:
    """Return the paths that differ from one in the name of one folder, or in that of the file.

    Parameters
    ----------
    path
        Parts separated by slashes.
    names
        What a part may be replaced by. A seed and a suffix stay: ``n_cnn_seed0.pt`` becomes
        ``cnn_seed0.pt``.
    """
    parts, names = path.split("/"), list(dict.fromkeys(names))
    ends = [re.search(r"(_seed\d+)?(\.\w+)?$", part) for part in parts]
    return [
        "/".join([*parts[:k], name + end[0], *parts[k + 1 :]])
        for k, end in enumerate(ends)
        if end
        for name in names
        if name + end[0] != parts[k]
    ]


def values_of_scale(folder, scale: str) -> dict | None:
    """Return the config of a scale of the project's own; of another, None.

    Parameters
    ----------
    folder
        Of config.yaml and its overlays.
    scale
        Name.
    """
    if scale not in SCALES:
        return None
    names = ["config", *([] if scale == "paper" else [scale])]
    return read_configs([Path(folder, f"{name}.yaml") for name in names])


def keep_order(values: dict, base: dict) -> None:
    """Order the keys of a config like those of another, in place; new keys come last.

    An overlay that names one entry of a mapping would move it to the front, and with it panels,
    columns, and which variant is the first.
    """
    known, new = [k for k in base if k in values], [k for k in values if k not in base]
    for key in (*known, *new):
        values[key] = values.pop(key)
        if isinstance(values[key], dict) and isinstance(base.get(key), dict):
            keep_order(values[key], base[key])


def check_distributions(node, key: str = "") -> None:
    """Report if a distribution leaves nothing to draw.

    Parameters
    ----------
    node
        A config, or a part of it.
    key
        Where it is, dotted.
    """
    if isinstance(node, dict):
        if {"minimum", "maximum"} <= node.keys() and not node["minimum"] < node["maximum"]:
            report(key, f"minimum {node['minimum']} is not below maximum {node['maximum']}")
        if "sd" in node:
            # Beyond eight standard deviations there is nothing to draw.
            for end, sign in (("minimum", 1), ("maximum", -1)):
                if sign * (node[end] - node["mean"]) > 8 * node["sd"]:
                    report(f"{key}.{end}", f"{node[end]} cuts off the whole distribution")
        for name, child in node.items():
            check_distributions(child, f"{key}.{name}" if key else name)


def check_network(network: dict, key: str) -> None:
    """Report if a network's layers do not go together."""
    n = len(network["filters"])
    if len(network["kernels"]) != n:
        report(f"{key}.kernels", f"one is needed for each of the {n} filters")
    if any(after > n for after in network["pool_after"]):
        report(f"{key}.pool_after", f"there are only {n} convolutions")


def check_entries(mapping: dict, needed, key: str) -> None:
    """Report if a mapping lacks an entry that figures or tables need."""
    for name in needed:
        if name not in mapping:
            report(f"{key}.{name}", "it is missing, and the paper's figures need it")


def check_estimates(network: dict, targets: list[str], knows_n: bool, key: str) -> None:
    """Report if a network of the paper's estimates something else."""
    if network["targets"] != targets:
        report(f"{key}.targets", f"{network['targets']} must be {targets}")
    if bool(network["scalars"]) != knows_n:
        report(f"{key}.scalars", f"{network['scalars']} must be {['N'] if knows_n else []}")


def check_pooling(network: dict, n_pix: int, key: str) -> None:
    """Report if a network pools its images down to less than a pixel."""
    n = len(set(network["pool_after"]))
    if n_pix < 2**n:
        report(
            f"{key}.pool_after", f"{n} poolings leave nothing of images of {n_pix} pixels a side"
        )


def check_name(name: str, entries: dict, key: str) -> None:
    """Report if a name is that of no entry of a mapping."""
    if name not in entries:
        report(key, f"{name!r} is none of {', '.join(entries)}{near(name, entries)}")


def check_scale(config: dict, own: dict | None) -> None:
    """Report if a config takes the name of a scale of the project's own for others.

    Parameters
    ----------
    config
        The whole configuration.
    own
        From `values_of_scale`.
    """
    if own is None:
        return
    changed = [
        change
        for change in changes(own, config)
        if change[0].rpartition(".")[2] not in FREE_KEYS and ".more_seeds." not in change[0]
    ]
    if changed:
        (key, expected, value), more = changed[0], len(changed) - 1
        report(
            key,
            f"{short(value)}, but {short(expected)} in the scale {config['scale']} of this "
            f"repository{f', and {more} more differ' if more else ''}. Give your overlay a `scale` "
            "of its own: its results then get a folder of their own",
        )


def short(value) -> str:
    """Write a value of the config in a few words, whatever it holds."""
    text = "null" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."
