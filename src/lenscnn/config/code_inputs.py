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
    base, files, queue = Path(base), set(), [Path(script)]
    while queue:
        path = queue.pop()
        if path in files or not (base / path).exists():
            continue
        files.add(path)
        if path.suffix != ".py":
            continue
        modules, styles = _names_in((base / path).read_text(encoding="utf-8"))
        queue += [path.with_name(style) for style in styles]
        for module in modules:
            place = Path("src", *module.split("."))
            queue.append(place.with_suffix(".py"))
            queue += [package / "__init__.py" for package in (place, *place.parents)]
    files.discard(Path(script))
    return [Path(script).as_posix(), *sorted(path.as_posix() for path in files)]


@functools.cache  # a module is reached from many scripts
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
