"""What a cluster calls things: profiles/slurm/site.yaml, read and checked."""

import re
from pathlib import Path

import yaml

from lenscnn.config.yaml_files import InputError, read_yaml

_PARTS = ("partitions", "every_job", "gpu_job")

_CLOCK = re.compile(r"(\d+-)?\d+(:\d+)+")


def read_site(path) -> dict:
    """Read a site file.

    Parameters
    ----------
    path
        YAML, as in profiles/slurm/site.example.yaml.

    Returns
    -------
    dict
        ``partitions``, and ``every_job`` and ``gpu_job``, which may be empty or left out.

    Raises
    ------
    InputError
        If it cannot be read, has other parts, no partition, or a time with colons: YAML takes
        1:00:00 for the number 3600, which Snakemake would take for minutes.
    """
    path = Path(path)
    text, site = read_yaml(path)
    written = yaml.load(text, Loader=yaml.BaseLoader)
    if not isinstance(site, dict):
        raise InputError(f"error: {path} holds none of {', '.join(_PARTS)}")
    if unknown := sorted(map(str, site.keys() - set(_PARTS))):
        raise InputError(f"error: {path}: {unknown[0]} is none of {', '.join(_PARTS)}")
    for part in _PARTS:
        site[part] = site.get(part) or {}
        if not isinstance(site[part], dict):
            raise InputError(f"error: {path}: {part} is {site[part]!r}, not `name: value` pairs")
    if not site["partitions"]:
        raise InputError(
            f"error: {path}: partitions is empty; jobs are sent to partitions, so name one"
        )
    for key, value in _leaves(written):
        if _CLOCK.fullmatch(value):
            raise InputError(f"error: {path}: {key} is {value}; write times as 90m, 4h or 1d")
    return site


def _leaves(node, key=""):
    """Yield dotted keys and values, as written."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{key}.{name}".lstrip("."))
    elif isinstance(node, str):
        yield key, node
