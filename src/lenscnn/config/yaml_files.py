"""YAML files that a person writes, read with errors that say where."""

from pathlib import Path
from typing import Any

import yaml


class InputError(SystemExit):
    """What a person gave is bad: one line, which ends the program."""


def read_yaml(path) -> tuple[str, Any]:
    """Read a YAML file.

    Returns
    -------
    text : str
        As it is written.
    values
        What it says.

    Raises
    ------
    InputError
        If it cannot be read, is not YAML, or has a key twice, of which YAML would take the last.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"error: {path} cannot be read: {error}") from None
    try:
        tree, values = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InputError(f"error: {path}:{line} not YAML: {problem}") from None
    if twice := _twice(tree):
        key = twice.value
        raise InputError(
            f"error: {path}: line {twice.start_mark.line + 1}: key {key} is there twice, and the "
            "first would not count: join the two"
        )
    return text, values


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
