"""Where a product comes from: the files behind it, and what they say of themselves.

Which file is made of which is read from a plan of the workflow; how a file was made, from the
record (`provenance`) that data and weights carry. Figures, tables and metrics carry none. What to
think of it says `verdict`.
"""

import re
import shlex
import textwrap
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lenscnn.core import weights
from lenscnn.records.provenance import (
    canonical_json,
    changes,
    decode,
    plain_text,
    read_hdf5,
)
from lenscnn.records.specs import read_spec

_JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)(?:Shell command: (.*))?", re.M)

_CODE = (".py", ".mplstyle")


class Level(IntEnum):
    """What a difference between how a file was made and how it would be made today comes to."""

    NOTHING = 0
    HARMLESS = 1
    UNKNOWN = 2
    CHANGES_NUMBERS = 3


class Ground(NamedTuple):
    """A difference between how a file was made and how it would be made today.

    `about` says of files what differs, `details` which settings, inputs or modules.
    """

    level: Level
    about: str
    details: tuple[str, ...] = ()


@dataclass
class Product:
    """A file of a chain.

    `specs` is what the workflow would tell the step that makes it, `code` the files of code of this
    step, `record` what the file says of its making; `note` stands in for a record that is not
    there. `grounds` are filled by `verdict.judge`.
    """

    path: str
    rule: str = "no rule"
    inputs: list[str] = field(default_factory=list)
    specs: list[dict] = field(default_factory=list)
    record: dict = field(default_factory=dict)
    note: str = "not here"
    code: list[str] = field(default_factory=list)
    grounds: list[Ground] = field(default_factory=list)


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


def add_code(products: dict[str, Product], text: str) -> None:
    """Note for each product of a plan the files of code that make it, the script first."""
    for _, block, _ in _JOB.findall(text):
        listed = dict(re.findall(r"^ {4}(input|output): (.*)$", block, re.M))
        code = [path for path in listed.get("input", "").split(", ") if path.endswith(_CODE)]
        for path in listed.get("output", "").split(", "):
            products[path].code = sorted(code, key=lambda path: not path.startswith("scripts/"))


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
    """Trace the chain behind a file, itself first, with the records of the files that are here."""
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
    return chain


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
        return plain_text(spec)
    changed = changes(abridged(first.record["spec"]), spec)
    words = ", ".join(f"{key} {plain_text(new)}" for key, _, new in changed)
    return f"as {first.path}{', but ' * bool(words)}{words}"


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
        "seeds": ", ".join(sorted(seeds_in(record["spec"], "population"))),
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
        texts = [settings(product, chain)] if product.record else []
        texts += [f"! {ground.about}: {', '.join(ground.details)}" for ground in product.grounds]
        pad = {"initial_indent": indent + "      ", "subsequent_indent": indent + "        "}
        wrapped = [textwrap.wrap(text, 110, break_on_hyphens=False, **pad) for text in texts]
        maker = letters[_maker(product.record)] if product.record else product.note
        head = f"  [{product.rule}; {maker}]"
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


def seeds_in(spec: dict, name: str) -> set[str]:
    """Return the seeds in a nested spec, each with the name of the part it is in."""
    seeds = {f"{name} {spec['seed']}"} if "seed" in spec else set()
    parts = [(key, part) for key, part in spec.items() if isinstance(part, dict)]
    return seeds.union(*(seeds_in(part, key) for key, part in parts))
