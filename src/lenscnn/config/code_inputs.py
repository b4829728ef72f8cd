"""Which files of code a job depends on."""

import ast
import functools
from pathlib import Path


def code_of(script: str, base) -> list[str]:
    """Return a script, every module of the library it reaches, and the style file those name.

    Rules take them as inputs: Snakemake compares the content of inputs, so an edit reruns the
    jobs that use the code and a checkout or a touch does not.

    Parameters
    ----------
    script
        Relative to `base`.
    base
        Root of the checkout, with the library in src/.

    Returns
    -------
    list of str
        Relative to `base`, the script first.
    """
    first, base = Path(script), Path(base)
    seen, files, queue = set(), set(), [first]
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            written = (base / path).stat().st_mtime_ns
        except FileNotFoundError:
            continue
        files.add(path)
        queue += _named_in(path, base, written)
    return [first.as_posix(), *sorted(path.as_posix() for path in files - {first})]


@functools.cache  # a module is reached from many scripts; one that is edited is read again
def _named_in(path: Path, base: Path, written: int) -> list[Path]:
    """Return the files that a file names, whether they exist or not; all relative to `base`."""
    if path.suffix != ".py":
        return []
    modules, styles = _names_in((base / path).read_text(encoding="utf-8"))
    named = [path.with_name(style) for style in styles]
    for module in modules:
        place = Path("src", *module.split("."))
        named.append(place.with_suffix(".py"))
        named += [package / "__init__.py" for package in (place, *place.parents)]
    return named


def _names_in(code: str) -> tuple[list[str], list[str]]:
    """Return the names of the library that code imports, and the style files that it names."""
    names, styles = [], []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and str(node.value).endswith(".mplstyle"):
            styles.append(node.value)
    return [name for name in names if name.split(".")[0] == "lenscnn"], styles
