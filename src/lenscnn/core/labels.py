"""Labels of the config, text with math between $, in LaTeX and in reStructuredText."""

import re

_MATH = re.compile(r"((?<!\\)\$.*?(?<!\\)\$)")

_ESCAPED = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    }
)


def split_math(label: str) -> list[str]:
    """Split a label, as matplotlib reads it, into text and math: the odd parts, with their $."""
    return _MATH.split(label)


def latex_text(label: str) -> str:
    """Write a label, as matplotlib reads it, in LaTeX: all but what is between $ is escaped."""
    parts = split_math(label)
    parts[::2] = [text.replace(r"\$", "$").translate(_ESCAPED) for text in parts[::2]]
    parts[1::2] = [re.sub(r"(?<!\\)([%#&])", r"\\\1", math) for math in parts[1::2]]
    return "".join(parts)


def rst_text(label: str) -> str:
    """Write a label, as matplotlib reads it, in reStructuredText."""
    parts = split_math(label)
    parts[::2] = [re.sub(r"([^\w\s]|_)", r"\\\1", text.replace(r"\$", "$")) for text in parts[::2]]
    parts[1::2] = [rf"\ :math:`{math[1:-1]}`\ " for math in parts[1::2]]
    return "".join(parts)
