"""Whether a product is what today's files, config and code would give, and why.

The verdict on a product is that on the worst of the files behind it:

nothing to say
    Inputs, settings, code and libraries are those that are here.
harmless
    What differs is not known to move a number by more than rounding does or, for a training, than
    another seed: settings that are younger than a file, at the value that it was made with; the
    settings in `migrations.FREE`; versions of libraries; code that differs in comments, docstrings
    and types of arguments, or that computes no numbers; an input that holds the same arrays.
unknown
    Something is not on record, or code has changed, of which only a rerun tells what it does.
changes numbers
    A setting or an input is another one.

Files without a record (figures, tables, metrics) count as made by the code, config and inputs of
the commit that they came with or whose code is noted to make them so (`checkout.REDRAWN`), or as
Snakemake noted it of the job that made them here.
"""

import importlib.metadata
import io
import platform
import re
import textwrap
from pathlib import Path

import h5py
import numpy as np

from lenscnn.records import migrations
from lenscnn.records.checkout import Checkout, same_program, same_values
from lenscnn.records.lineage import Ground, Level, Product, seeds_in
from lenscnn.records.provenance import file_digest, short_names

_LEVELS = {
    Level.NOTHING: "nothing to say",
    Level.HARMLESS: "harmless",
    Level.UNKNOWN: "unknown",
    Level.CHANGES_NUMBERS: "changes numbers",
}

_VERDICTS = {
    Level.NOTHING: "inputs, settings, code and libraries are those that are here",
    Level.HARMLESS: "nothing that differs is known to move a number",
    Level.UNKNOWN: "only a rerun can tell whether what is here gives the same numbers",
    Level.CHANGES_NUMBERS: "with the settings and inputs that are here other numbers come out",
}

_SETTINGS = {
    "other": (Level.CHANGES_NUMBERS, "made with other settings"),
    "free": (Level.HARMLESS, "made with another precision or patience"),
    "younger": (Level.HARMLESS, "made before these were settings, with the same values"),
    "unrecorded": (Level.UNKNOWN, "made with settings that are not on record"),
    "dropped": (Level.UNKNOWN, "made with settings that are no more"),
}

_CODE_VERSION = re.compile(r"\+src\.(?P<library>\w+)(\.git\.(?P<commit>.+?)(?P<dirty>-dirty)?)?$")

_WITHOUT_NUMBERS = {
    f"src/lenscnn/{name}.py"
    for name in ("__init__", "core/progress", "records/migrations", "records/provenance")
}
"""Modules that compute no number: they describe files, compare descriptions, show progress."""

_OTHER_INPUTS = "made from other files than are here"

_SHOWN = 5
"""Details that are shown of each ground."""


def judge(chain: dict[str, Product], configs: list[str], checkout: Checkout) -> None:
    """Find the grounds of the verdict on each file of a chain.

    Parameters
    ----------
    chain
        As `lineage.trace` gives it.
    configs
        Paths of the config files in force.
    checkout
        What the code is, and was.
    """
    absent = _code_of_absent(chain, checkout)
    for product in chain.values():
        if product.rule == "no rule":
            continue  # a source
        if product.path in absent:
            product.grounds = [
                ground for code in absent[product.path] for ground in _code(product, code, checkout)
            ]
        elif not (checkout.root / product.path).exists():
            product.grounds = _absent(product, checkout)
        elif product.record:
            product.grounds = [
                *_settings(product),
                *_inputs(product, chain, checkout),
                *_code(product, product.record["code"], checkout),
                *_libraries(product.record),
            ]
        else:
            product.grounds = _without_record(product, configs, checkout)


def _absent(product: Product, checkout: Checkout) -> list[Ground]:
    """Judge a file that is not here by the code that is noted to make it."""
    if commit := checkout.redrawn(product.path):
        return _code_of_commit(product.code, commit, checkout)
    about = "not here, so that the code that made them is not known"
    return [Ground(Level.UNKNOWN, about, (product.rule,))]


def _code_of_absent(chain: dict[str, Product], checkout: Checkout) -> dict[str, set[str]]:
    """Return which code made files that are not here, by the records of files made from them."""
    found = {}

    def visit(inputs: list[str], origins: dict) -> None:
        for name, path in short_names(inputs).items():
            if name in origins and not (checkout.root / path).exists():
                code, further = origins[name]
                found.setdefault(path.as_posix(), set()).add(code)
                visit(chain[path.as_posix()].inputs, further)

    for product in chain.values():
        visit(product.inputs, product.record.get("origins", {}))
    return found


def _settings(product: Product) -> list[Ground]:
    """Compare what the workflow would tell the step with the spec on record."""
    found = {}
    for told in product.specs:
        expected = told.get(Path(product.path).stem, told)  # of several files, by their names
        kind = _kind(expected)
        if kind == "target":
            continue  # of a file that the step reads: compared where that one is judged
        spec = product.record["spec"]
        made = spec if _kind(spec) == kind else spec.get(kind)
        if made is None:
            found.setdefault("unrecorded", []).append(kind)
            continue
        for key, old, new, difference in migrations.differences(made, expected, kind):
            text = f"{key} {old}, not {new}" if difference == "other" else key
            found.setdefault(difference, []).append(text)
    return [
        Ground(*_SETTINGS[kind], tuple(dict.fromkeys(details))) for kind, details in found.items()
    ]


def _kind(spec: dict) -> str:
    """Tell by its keys what a spec describes."""
    described = {
        "target": "target", "targets": "training", "population": "images", "n_pix": "view"
    }  # fmt: skip
    kinds = [kind for key, kind in described.items() if key in spec]
    return kinds[0] if kinds else "population" if "seed" in spec else "predictions"


def _inputs(product: Product, chain: dict[str, Product], checkout: Checkout) -> list[Ground]:
    """Compare the digests on record with those of the inputs that are here."""
    names, digests = short_names(product.inputs), product.record["inputs"]
    grounds = []
    if other := sorted(names.keys() ^ digests.keys()):
        about = "made from inputs of other names"
        grounds.append(Ground(Level.UNKNOWN, about, tuple(other)))
    for name in names.keys() & digests.keys():
        path, digest = names[name].as_posix(), digests[name]
        if not (checkout.root / path).exists():
            chain[path].note = f"not here, digest {digest}"
        elif file_digest(checkout.root / path) != digest:
            then = {path: checkout.earlier(path, digest)}
            grounds += _other_inputs(then, checkout, Level.CHANGES_NUMBERS, _OTHER_INPUTS)
    return grounds


def _other_inputs(
    then: dict[str, bytes | None], checkout: Checkout, level: Level, about: str
) -> list[Ground]:
    """Tell inputs that have changed from those that hold the same arrays as before.

    `then` has the earlier content of each, where it is known; `level` and `about` are of those that
    have changed.
    """
    alike = [path for path, old in then.items() if old and _same_arrays(old, checkout.root / path)]
    other = [path for path in then if path not in alike]
    found = (
        (level, about, other),
        (Level.HARMLESS, "made from an earlier file with the same arrays", alike),
    )
    return [Ground(level, about, tuple(paths)) for level, about, paths in found if paths]


def _same_arrays(then: bytes, path: Path) -> bool:
    """Return whether a file holds, to the bit, every array of an earlier version of it."""
    if path.suffix != ".h5":
        return False
    with h5py.File(io.BytesIO(then), "r") as old, h5py.File(path, "r") as new:
        return all(name in new and np.array_equal(old[name][()], new[name][()]) for name in old)


def _code(product: Product, code: str, checkout: Checkout) -> list[Ground]:
    """Compare the code that made a file, by a record, with the code that is here."""
    if read := checkout.job(product.path):
        return _code_of_job(product.code, read, checkout)
    version = _CODE_VERSION.search(code)
    commit = checkout.commit_of(version["library"], version["commit"] or "") if version else ""
    if not (version and commit):
        about = "made by code that is in no commit here"
        return [Ground(Level.UNKNOWN, about, (code,))]
    grounds = _code_of_commit(product.code, commit, checkout)
    if version["dirty"]:
        about = "made with edits outside the library that were not committed, of the script perhaps"
        grounds.append(Ground(Level.UNKNOWN, about, tuple(product.code[:1])))
    return grounds


def _code_of_job(code: list[str], read: dict[str, str], checkout: Checkout) -> list[Ground]:
    """Compare the code that a job read here with the code that is here now."""
    other = [path for path in code if not read.get(path, "").startswith(checkout.digest(path))]
    return _changed(other, [])


def _code_of_commit(code: list[str], commit: str, checkout: Checkout) -> list[Ground]:
    """Compare the code of a commit with the code that is here."""
    then, other, alike = checkout.code_at(commit)[0], [], []
    for path in code:
        old, new = then.get(path, b""), (checkout.root / path).read_bytes()
        if old != new:
            same = path.endswith(".py") and same_program(old, new)
            (alike if same else other).append(path)
    return _changed(other, alike)


def _changed(other: list[str], alike: list[str]) -> list[Ground]:
    """Say which files of code have changed, and which of them compute the same as before."""
    alike = alike + [path for path in other if path in _WITHOUT_NUMBERS]
    other = [path for path in other if path not in _WITHOUT_NUMBERS]
    found = (
        (Level.UNKNOWN, "made by code that has changed since", other),
        (Level.HARMLESS, "made by code that has changed where it computes no number", alike),
    )
    return [
        Ground(level, about, tuple(path.removeprefix("src/lenscnn/") for path in paths))
        for level, about, paths in found
        if paths
    ]


def _libraries(record: dict) -> list[Ground]:
    """Compare the versions of Python and of libraries on record with those that are installed."""
    versions = {"python": record["python"], **record["libraries"]}
    other = [f"{name} {version}" for name, version in versions.items() if _here(name) != version]
    about = "made with other versions of libraries than are here"
    return [Ground(Level.HARMLESS, about, tuple(other))] if other else []


def _here(name: str) -> str:
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _without_record(product: Product, configs: list[str], checkout: Checkout) -> list[Ground]:
    """Compare what made a figure, a table or metrics with what is here."""
    here = [path for path in product.inputs if (checkout.root / path).exists()]
    if read := checkout.job(product.path):
        then = {
            path: checkout.earlier(path, read[path]) if path in read else None
            for path in here
            if not checkout.is_as_read(path, product.path, read)
        }
        grounds = _other_inputs(then, checkout, Level.CHANGES_NUMBERS, _OTHER_INPUTS)
        edited = [path for path in configs if checkout.is_younger(path, product.path)]
        grounds += _code_of_job(product.code, read, checkout)
    elif commit := checkout.redrawn(product.path) or checkout.committed(product.path):
        since = checkout.changed_since(commit)
        then = {path: checkout.content(commit, path) for path in here if path in since}
        about = "without a record, committed before their inputs changed"
        grounds = _other_inputs(then, checkout, Level.UNKNOWN, about)
        edited = [path for path in configs if path in since and _edited(path, commit, checkout)]
        grounds += _code_of_commit(product.code, commit, checkout)
    else:
        return [
            Ground(Level.UNKNOWN, "without a record, and in no commit as they are", (product.rule,))
        ]
    if edited:
        about = "without a record, made before the config changed"
        grounds.append(Ground(Level.UNKNOWN, about, tuple(edited)))
    return grounds


def _edited(config: str, commit: str, checkout: Checkout) -> bool:
    """Return whether a config file has other values than it had in a commit."""
    then = checkout.content(commit, config)
    return then is None or not same_values(then, (checkout.root / config).read_bytes())


def summary(target: str, chain: dict[str, Product]) -> list[str]:
    """Write the verdict on a product in a line, and its grounds below, the worst first."""
    files, details = {}, {}
    for product in chain.values():
        for ground in product.grounds:
            key = (ground.level, ground.about)
            files[key] = files.get(key, 0) + 1
            details.setdefault(key, {}).update(dict.fromkeys(ground.details))
    level = max((level for level, _ in files), default=Level.NOTHING)
    lines = [f"{target}: {_LEVELS[level]}: {_VERDICTS[level]}"]
    for level, about in sorted(files, key=lambda key: -key[0]):
        named = _listed(list(details[level, about]))
        n = f"{files[level, about]} {'file' if files[level, about] == 1 else 'files'}"
        lines.append(f"{_LEVELS[level]}: {n} {about}: {named}")
    told = [product for product in chain.values() if product.record]
    seeds = set().union(*(seeds_in(product.record["spec"], product.rule) for product in told))
    devices = {product.record["device"] for product in told}
    lines.append(
        f"{len(chain)} files, {len(told)} with a record; "
        f"made on: {', '.join(sorted(devices)) or 'not on record'}; "
        f"seeds: {', '.join(sorted(seeds)) or 'none on record'}"
    )
    below = {"initial_indent": "  ", "subsequent_indent": "      ", "break_on_hyphens": False}
    return lines[:1] + [line for text in lines[1:] for line in textwrap.wrap(text, 110, **below)]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
