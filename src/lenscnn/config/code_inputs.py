"""Which files of code a job depends on."""

import ast
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
    base, files, queue = Path(base), [], [Path(script)]
    while queue:
        path = queue.pop()
        if path in files or not (base / path).exists():
            continue
        files.append(path)
        if path.suffix != ".py":
            continue
        names = []
        for node in ast.walk(ast.parse((base / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
                names += [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Constant) and str(node.value).endswith(".mplstyle"):
                queue.append(path.with_name(node.value))
        for name in names:
            if name.split(".")[0] == "lenscnn":
                place = Path("src", *name.split("."))
                queue.append(place.with_suffix(".py"))
                queue += [package / "__init__.py" for package in (place, *place.parents)]
    return [files[0].as_posix(), *sorted(path.as_posix() for path in files[1:])]
