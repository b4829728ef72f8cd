"""What a schema cannot say of a config: relations between its values, and the scales' own."""

from pathlib import Path

import yaml

from lenscnn.records.provenance import changes

FREE_KEYS = {"device", "predictions", "seeds", "shard_size", "lenses_per_job"}
"""What may differ within one scale: where, in what portions and how often it is computed."""

SCALES = ("paper", "quick", "smoke")
"""Scales of the project's own, with an overlay each but for the first."""


class ConfigError(ValueError):
    """A value of the config is bad; the message begins with its key."""

    def __init__(self, key: str, why: str):
        super().__init__(f"config key {key}: {why}")


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
    base, *overlays = (
        yaml.safe_load(Path(folder, f"{name}.yaml").read_text(encoding="utf-8")) for name in names
    )
    for overlay in overlays:
        _update(base, overlay)
    return base


def _update(values: dict, overlay: dict) -> None:
    """Lay an overlay over a config, in place: mappings key by key, all else as a whole."""
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _update(values[key], value)
        else:
            values[key] = value


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
    """Raise ConfigError if a distribution leaves nothing to draw.

    Parameters
    ----------
    node
        A config, or a part of it.
    key
        Where it is, dotted.
    """
    if isinstance(node, dict):
        if {"minimum", "maximum"} <= node.keys() and not node["minimum"] < node["maximum"]:
            raise ConfigError(
                key, f"minimum {node['minimum']} is not below maximum {node['maximum']}"
            )
        if "sd" in node:
            # Beyond eight standard deviations there is nothing to draw.
            for end, sign in (("minimum", 1), ("maximum", -1)):
                if sign * (node[end] - node["mean"]) > 8 * node["sd"]:
                    raise ConfigError(
                        f"{key}.{end}", f"{node[end]} cuts off the whole distribution"
                    )
        for name, child in node.items():
            check_distributions(child, f"{key}.{name}" if key else name)


def check_network(network: dict, key: str) -> None:
    """Raise ConfigError if a network's layers do not go together."""
    n = len(network["filters"])
    if len(network["kernels"]) != n:
        raise ConfigError(f"{key}.kernels", f"one is needed for each of the {n} filters")
    if any(after > n for after in network["pool_after"]):
        raise ConfigError(f"{key}.pool_after", f"there are only {n} convolutions")


def check_entries(mapping: dict, needed, key: str) -> None:
    """Raise ConfigError if a mapping lacks an entry that figures or tables need."""
    for name in needed:
        if name not in mapping:
            raise ConfigError(f"{key}.{name}", "it is missing, and the paper's figures need it")


def check_estimates(network: dict, targets: list[str], knows_n: bool, key: str) -> None:
    """Raise ConfigError if a network of the paper's estimates something else."""
    if network["targets"] != targets:
        raise ConfigError(f"{key}.targets", f"{network['targets']} must be {targets}")
    if bool(network["scalars"]) != knows_n:
        raise ConfigError(
            f"{key}.scalars", f"{network['scalars']} must be {['N'] if knows_n else []}"
        )


def check_pooling(network: dict, n_pix: int, key: str) -> None:
    """Raise ConfigError if a network pools its images down to less than a pixel."""
    n = len(set(network["pool_after"]))
    if n_pix < 2**n:
        raise ConfigError(
            f"{key}.pool_after", f"{n} poolings leave nothing of images of {n_pix} pixels a side"
        )


def check_name(name: str, entries: dict, key: str) -> None:
    """Raise ConfigError if a name is that of no entry of a mapping."""
    if name not in entries:
        raise ConfigError(key, f"{name!r} is none of {', '.join(entries)}")


def check_scale(config: dict, own: dict | None) -> None:
    """Raise ConfigError if a config takes the name of a scale of the project's own for others.

    Parameters
    ----------
    config
        The whole configuration.
    own
        From `values_of_scale`.
    """
    if own is None:
        return
    for key, expected, value in changes(own, config):
        if key.rpartition(".")[2] not in FREE_KEYS:
            raise ConfigError(
                key,
                f"{value}, but {expected} in the scale {config['scale']} of this repository. Give "
                "your overlay a `scale` of its own: its results then get a folder of their own",
            )
