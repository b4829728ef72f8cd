"""YAML and JSON files that a person writes, read with errors that say where."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

_TWICE = "key {} is there twice, and the first would not count: join the two"


class InputError(SystemExit):
    """What a person gave is bad: one line, which ends the program."""


def read_yaml(path) -> tuple[str, Any]:
    """Read a YAML file, or a JSON file, as Snakemake does: JSON may be indented by tabs.

    Returns
    -------
    text : str
        As it is written.
    values
        What it says.

    Raises
    ------
    InputError
        If it cannot be read, is neither, or has a key twice, of which the last would count.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"error: {path} cannot be read: {error}") from None
    try:
        return text, json.loads(text, object_pairs_hook=lambda pairs: _mapping(pairs, path))
    except ValueError as error:
        no_json = f"neither JSON ({error}) nor" if path.suffix == ".json" else "not"
    try:
        twice, values = _read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InputError(f"error: {path}:{line} {no_json} YAML: {problem}") from None
    if twice:
        key = twice.value
        raise InputError(f"error: {path}: line {twice.start_mark.line + 1}: {_TWICE.format(key)}")
    return text, values


def _read(text: str) -> tuple[yaml.ScalarNode | None, Any]:
    """Return the first key of YAML that is there twice (None if none is), and the values."""
    # libyaml is several times as fast, where PyYAML has it. It takes tabs that Snakemake refuses.
    python = "\t" in text or not yaml.__with_libyaml__
    loader = yaml.SafeLoader(text) if python else yaml.CSafeLoader(text)
    try:
        tree = loader.get_single_node()
        twice = _twice(tree)  # before the values are made, which joins what `<<` merges
        return twice, None if tree is None else loader.construct_document(tree)
    finally:
        loader.dispose()


def read_configs(paths: Iterable) -> dict:
    """Read config files, each laid over those before it, as ``--configfile`` does.

    Raises
    ------
    InputError
        As `read_yaml`, or if one is no mapping.
    """
    values: dict = {}
    for path in paths:
        if not isinstance(overlay := read_yaml(path)[1], dict):
            raise InputError(f"error: {path} holds no `key: value` pairs")
        _lay_over(values, overlay)
    return values


def _lay_over(values: dict, overlay: dict) -> None:
    """Lay an overlay over a config, in place: mappings key by key, all else as a whole."""
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _lay_over(values[key], value)
        else:
            values[key] = value


def _mapping(pairs: list[tuple], path) -> dict:
    """Return what a mapping of JSON holds; raise InputError if it has a key twice."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"error: {path}: {_TWICE.format(twice)}")
    return mapping


def _twice(node):
    """Return the first key of a tree of YAML that its mapping has already, or None."""
    if isinstance(node, yaml.MappingNode):
        known = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known:
                return key
            known.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        children = [value for _, value in node.value]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    return next(filter(None, map(_twice, children)), None)
