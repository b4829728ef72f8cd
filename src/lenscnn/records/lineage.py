"""Where a product comes from: the files behind it, and what they say of themselves.

Which file is made of which is read from a plan of the workflow; how a file was made, from the
record (`provenance`) that data and weights carry. Figures, tables and metrics carry none.
"""

import re
import shlex
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lenscnn.core import weights
from lenscnn.records.provenance import (
    canonical_json,
    changes,
    decode,
    file_digest,
    read_hdf5,
    short_names,
)
from lenscnn.records.specs import read_spec

_JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)(?:Shell command: (.*))?", re.M)

_CODE = (".py", ".mplstyle")


@dataclass
class Product:
    """A file of a chain.

    `specs` is what the workflow would tell the step that makes it, `record` what the file says
    of its making; `note` stands in for a record that is not there. `other_inputs` and
    `other_settings` say where the record is not what files and config would give today.
    """

    path: str
    rule: str = "no rule"
    inputs: list[str] = field(default_factory=list)
    specs: list[dict] = field(default_factory=list)
    record: dict = field(default_factory=dict)
    note: str = "not here"
    other_inputs: list[str] = field(default_factory=list)
    other_settings: list[str] = field(default_factory=list)


def read_plan(text: str) -> dict[str, Product]:
    """Read products by path from what ``snakemake -n --forceall --printshellcmds`` prints.

    Commands name their specs, files that end in ``.json``.

    Raises
    ------
    DataFileError
        If one cannot be read.
    """
    products = {}
    for rule, block, command in _JOB.findall(text):
        listed = dict(re.findall(r"^ {4}(input|output): (.*)$", block, re.M))
        files = {key: value.split(", ") for key, value in listed.items()}
        inputs = [path for path in files.get("input", []) if not path.endswith(_CODE)]
        told = [read_spec(word) for word in shlex.split(command) if word.endswith(".json")]
        specs = [spec for spec in told if isinstance(spec, dict)]
        for path in files.get("output", []):
            products[path] = Product(path, rule, inputs, specs)
    return products


def read_record(path) -> dict:
    """Read what a file says of its making, decoded; empty where it can say nothing.

    Raises
    ------
    DataFileError
        If a file that should say something does not, or cannot be read.
    """
    if Path(path).suffix == ".pt":
        return decode(weights.load(path).get("provenance", {}), path)
    return read_hdf5(path) if Path(path).suffix == ".h5" else {}


def trace(target: str, plan: dict[str, Product]) -> dict[str, Product]:
    """Trace the chain behind a file, itself first: records, compared with what is here."""
    chain = {}

    def visit(paths):
        new = [path for path in paths if path not in chain]
        chain.update({path: plan.get(path, Product(path)) for path in new})
        for path in new:
            visit(chain[path].inputs)

    visit([target])
    for product in chain.values():
        if Path(product.path).exists():
            product.record, product.note = read_record(product.path), "no record"
    for product in chain.values():
        if not product.record or product.path not in plan:
            continue
        names = short_names(product.inputs)
        inputs = {name: chain[path.as_posix()] for name, path in names.items()}
        product.other_inputs = _other_inputs(product.record["inputs"], inputs)
        for spec in product.specs:
            product.other_settings += _other_settings(product.record["spec"], spec)
    return chain


def _other_inputs(digests: dict[str, str], inputs: dict[str, Product]) -> list[str]:
    """List digests on record that are not those of the inputs here; note absent inputs."""
    other = [f"made without {inputs[name].path}" for name in inputs.keys() - digests.keys()]
    for name, digest in digests.items():
        if name not in inputs:
            other.append(f"made from a {name} ({digest}) that the workflow does not name")
        elif not Path(inputs[name].path).exists():
            inputs[name].note = f"not here, digest {digest}"
        elif (now := file_digest(inputs[name].path)) != digest:
            other.append(f"made from another {inputs[name].path} ({digest}, the one here: {now})")
    return other


def _other_settings(spec: dict, expected: dict) -> list[str]:
    """List where a spec, or the part of it most like `expected`, is not `expected`."""
    parts = [part for part in (spec, *spec.values()) if isinstance(part, dict)]
    part = min(parts, key=lambda part: len(changes(part, expected)))
    return [f"{key} {_short(old)} ({_short(new)})" for key, old, new in changes(part, expected)]


def _short(value) -> str:
    return "{...}" if isinstance(value, dict) else _text(value)


def _text(value) -> str:
    return "none" if value is None else canonical_json(value).replace('"', "")


def settings(product: Product, chain: dict[str, Product]) -> str:
    """Write a spec in short: only what differs from the first file of the same rule."""
    told = [other for other in chain.values() if other.record]
    said = {}
    for other in told:
        if other.rule != product.rule:
            said.setdefault(canonical_json(other.record["spec"]), f"<{other.path}>")

    def abridged(spec):
        if not isinstance(spec, dict):
            return spec
        known = said.get(canonical_json(spec))
        return known or {key: abridged(value) for key, value in spec.items()}

    spec = abridged(product.record["spec"])
    first = next(other for other in told if other.rule == product.rule)
    if first is product:
        return _text(spec)
    changed = changes(abridged(first.record["spec"]), spec)
    but = ", but " + ", ".join(f"{key} {_text(new)}" for key, _, new in changed) if changed else ""
    return f"as {first.path}{but}"


def table(paths) -> pd.DataFrame:
    """List the records of files, one row each: code, device, libraries, seeds, inputs.

    Raises
    ------
    DataFileError
        If one has no record or cannot be read.
    """
    return pd.DataFrame([{"file": str(path), **_row(read_hdf5(path))} for path in paths])


def _row(record: dict) -> dict[str, str]:
    return {
        "code": record["code"],
        "device": record["device"],
        "python": record["python"],
        "libraries": _listed(record["libraries"]),
        "seeds": ", ".join(sorted(_seeds(record["spec"], "population"))),
        "inputs": _listed(record["inputs"]),
    }


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def makers(chain: dict[str, Product]) -> dict[str, str]:
    """Give letters to the combinations of code, libraries and device that are on record."""
    texts = dict.fromkeys(_maker(p.record) for p in chain.values() if p.record)
    return {text: chr(ord("A") + number) for number, text in enumerate(texts)}


def _maker(record: dict) -> str:
    libraries = _listed(record["libraries"])
    return f"{record['code']}; python {record['python']}, {libraries}; {record['device']}"


def tree(target: str, chain: dict[str, Product]) -> list[str]:
    """Write the chain as lines: each file once, what it was made from below it."""
    letters, lines, shown = makers(chain), [], set()

    def entry(product, indent):
        if not product.record:
            return [f"  [{product.rule}; {product.note}]"]
        texts = [settings(product, chain), *(f"! {text}" for text in product.other_inputs)]
        if product.other_settings:
            texts.append("! made with (by config): " + ", ".join(product.other_settings))
        pad = {"initial_indent": indent + "      ", "subsequent_indent": indent + "        "}
        wrapped = [textwrap.wrap(text, 110, break_on_hyphens=False, **pad) for text in texts]
        head = f"  [{product.rule}; {letters[_maker(product.record)]}]"
        return [head, *(line for part in wrapped for line in part)]

    def named(paths):
        return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")

    def draw(paths, indent):
        above = [chain[path] for path in paths if path in shown]
        for rule in dict.fromkeys(product.rule for product in above):
            same = [product.path for product in above if product.rule == rule]
            lines.append(f"{indent}{named(same)}  [{rule}; see there]")
        left = [chain[path] for path in paths if path not in shown]
        shown.update(paths)
        while left:
            text = entry(left[0], indent)
            alike = [  # shards, as a rule
                p for p in left if p.inputs == left[0].inputs and entry(p, indent) == text
            ]
            lines.extend([indent + named([p.path for p in alike]) + text[0], *text[1:]])
            left = [product for product in left if product not in alike]
            draw(alike[0].inputs, indent + "    ")

    draw([target], "")
    return lines


def _seeds(spec: dict, name: str) -> set[str]:
    """Return the seeds in a nested spec, each with the name of the part it is in."""
    seeds = {f"{name} {spec['seed']}"} if "seed" in spec else set()
    parts = [(key, part) for key, part in spec.items() if isinstance(part, dict)]
    return seeds.union(*(_seeds(part, key) for key, part in parts))


def summary(chain: dict[str, Product]) -> list[str]:
    """Say which code, libraries and device made the chain, and from which seeds.

    Also whether one version of the code, and the settings of the config, made all of it.
    """
    told = [product for product in chain.values() if product.record]
    lines = [f"{letter}: {text}" for text, letter in makers(chain).items()]
    seeds = set().union(*(_seeds(product.record["spec"], product.rule) for product in told))
    lines.append("seeds: " + (", ".join(sorted(seeds)) or "none on record"))
    lines.append(f"{len(chain)} files, {len(told)} with a record")
    sources = {product.record["code"].partition(".git.")[0] for product in told}
    if len(sources) > 1:
        lines.append(f"MIXED CODE: {len(sources)} versions of the library")
    if n := sum(bool(product.other_settings) for product in told):
        lines.append(f"OTHER SETTINGS than the config's at this scale: {n} files")
    if n := sum(bool(product.other_inputs) for product in told):
        lines.append(f"OTHER INPUTS than the files that are here: {n} files")
    return lines
