"""The config as types: one definition gives validation, units, the JSON schema and its table.

A section of the config is a class; `setting` says what a value means, in which unit, within which
limits. Papers define their sections in papers/*/config.py. Values are checked, not changed, but for
numbers that YAML reads as text, like 1e-4.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from lenscnn.config.checks import near, short
from lenscnn.core.labels import split_math


class Section(pydantic.BaseModel):
    """A part of the config; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


def setting(description: str, unit: str | None = None, default: Any = ..., **limits) -> Any:
    """Describe a value of the config.

    Parameters
    ----------
    description
        What it means.
    unit
        None for pure numbers and names.
    default
        Taken where a config leaves it out; without one it may not be left out.
    limits
        ``gt``, ``ge``, ``lt``, ``le``, ``min_length``, ``max_length``, as pydantic takes them.
    """
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


def _check_number(value):
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


Number = Annotated[float, BeforeValidator(_check_number)]
Count = Annotated[int, BeforeValidator(_check_number)]
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")]
"""Of an entry of a mapping that is open to new ones."""

_PLAIN_MATH = re.compile(r"\$[A-Za-z0-9 ]*(\^[+-])?\$")


def _check_label(label: str) -> str:
    if not label.isprintable():
        raise ValueError(f"{label!r} has a line break, or another character that nothing draws")
    text, math = (split_math(label)[k::2] for k in (0, 1))
    if "$" in "".join(text).replace(r"\$", ""):
        raise ValueError(f"{label!r} has one $ too many: math is between two, and a dollar is \\$")
    if all(map(_PLAIN_MATH.fullmatch, math)):
        return label
    from matplotlib.mathtext import MathTextParser  # here, for it takes long to import

    try:
        MathTextParser("path").parse(label)
    except ValueError as error:
        why = str(error).splitlines()[-1]
        raise ValueError(f"{label!r} has math that matplotlib does not draw ({why})") from None
    return label


Label = Annotated[str, AfterValidator(_check_label)]
"""What figures and tables call something: text, with math between $ as matplotlib reads it."""


def _all_different(values: list) -> list:
    if len({*map(str, values)}) < len(values):
        raise ValueError(f"{values} has an entry twice")
    return values


class Distinct:
    """Annotation of a list whose entries must differ."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        """Check the entries of the list."""
        return core_schema.no_info_after_validator_function(_all_different, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema, handler):
        """Say in the JSON schema that they differ."""
        return handler(schema) | {"uniqueItems": True}


class Range(Section):
    """Two ends."""

    minimum: Number = setting("Lower end.", unit="that of the quantity")
    maximum: Number = setting("Upper end.", unit="that of the quantity")


class TruncatedNormal(Section):
    """A normal distribution cut at two ends."""

    mean: Number = setting("Mean before truncation.", unit="that of the quantity")
    sd: Number = setting("Standard deviation before truncation.", unit="that of the quantity", gt=0)
    minimum: Number = setting("Lower cut.", unit="that of the quantity")
    maximum: Number = setting("Upper cut.", unit="that of the quantity")


def within(gt: float | None = None, ge: float | None = None, le: float | None = None):
    """Return a validator of the ends of a distribution."""

    def check(section):
        if gt is not None and not section.minimum > gt:
            raise ValueError(f"minimum {section.minimum} is not greater than {gt}")
        if ge is not None and not section.minimum >= ge:
            raise ValueError(f"minimum {section.minimum} is less than {ge}")
        if le is not None and not section.maximum <= le:
            raise ValueError(f"maximum {section.maximum} is greater than {le}")
        return section

    return AfterValidator(check)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"{value} is even; a kernel has a pixel in its middle")
    return value


class Network(Section):
    """A convolutional regressor."""

    targets: Annotated[list[Literal["N", "alpha", "theta_E", "e1", "e2"]], Distinct] = setting(
        "What it estimates, one output each.", min_length=1
    )
    scalars: list[Literal["N"]] = setting(
        "Known numbers joined to the image's features before the last layer."
    )
    filters: list[Annotated[Count, Field(ge=1)]] = setting(
        "Filters of each convolution.", unit="count", min_length=1
    )
    kernels: list[Annotated[Count, Field(ge=1), AfterValidator(_odd)]] = setting(
        "Kernel sizes of the convolutions, odd.", unit="pixels", min_length=1
    )
    pool_after: list[Annotated[Count, Field(ge=1)]] = setting(
        "After which convolutions (from 1) a 2x2 max-pool follows.", unit="count"
    )
    dense: Count = setting("Units of the hidden dense layer.", unit="count", ge=1)
    dropout: Number = setting("Fraction dropped after each convolution block.", ge=0, lt=1)


Seeds = Annotated[list[Annotated[Count, Field(ge=0)]], Distinct]


class Training(Section):
    """How networks are trained."""

    label_range: Number = setting("Targets are scaled to lie between 0 and this.", gt=0)
    optimizer: Literal["adam", "nadam"] = setting("adam or nadam.")
    learning_rate: Number = setting("Largest step size.", gt=0)
    learning_rate_decay: Literal["none", "cosine", "linear"] = setting(
        "none; cosine: falls along half a cosine to zero, epoch by epoch; or linear: rises over "
        "the first tenth of the steps and falls to zero by the last, step by step."
    )
    batch_size: Count = setting("Images in one step.", unit="count", ge=1)
    mirror: Flag = setting(
        "Whether images are mirrored at random, and their labels with them, each time they are "
        "seen."
    )
    epochs: Count = setting(
        "Passes over the training set, at most; the best by validation loss is kept.",
        unit="count",
        ge=1,
    )
    patience: Annotated[Count, Field(ge=1)] | None = setting(
        "Training stops after so many epochs without a smaller validation loss; null for never.",
        unit="count",
    )
    validation_fraction: Number = setting(
        "Part of the training set held out for validation.", gt=0, lt=1
    )
    normalise: Literal["image", "band"] = setting(
        "Whose extremes images are scaled to [0, 1] by: image, over all its bands, or band, each "
        "by its own."
    )
    autocast: Literal["float32", "tf32", "bfloat16"] = setting(
        "Precision of convolutions: float32; tf32, factors of 10 bits, on CUDA; or bfloat16 in "
        "training, on CUDA and on processors with AMX, and in prediction tf32 on CUDA, float32 on "
        "a CPU."
    )
    seeds: Seeds = setting(
        "One network is trained for each: seeds of weights and order.", min_length=1
    )


_MANY = 4
"""Keys of one section that are named one by one if they are missing."""


def check_types(model: type[Section], config: dict) -> list[str]:
    """Check a config against its types; read numbers, and fill in defaults, in place.

    Parameters
    ----------
    model
        What the config is to be.
    config
        As YAML and Snakemake give it.

    Returns
    -------
    list of str
        A line for each mistake: the key, what is wrong with it, and a near name if there is one.
        Of a section that lacks many keys there is one line.
    """
    try:
        checked = model.model_validate(config)
    except pydantic.ValidationError as error:
        mistakes = error.errors()
        lacking = {}
        for mistake in mistakes:
            if mistake["type"] == "missing":
                section, name = _section_key(mistake), str(mistake["loc"][-1])
                lacking.setdefault(section, []).append(name)
        many = {section: names for section, names in lacking.items() if len(names) > _MANY}
        others = [m for m in mistakes if m["type"] != "missing" or _section_key(m) not in many]
        return [
            *(f"config key {key}: it lacks {', '.join(names)}" for key, names in many.items()),
            *(_describe(model, mistake) for mistake in others),
        ]
    _complete(config, checked.model_dump())
    return []


def _complete(values, checked) -> None:
    """Put numbers where they were text or 1.0e+5 for whole ones, and defaults where nothing was."""
    if isinstance(values, dict):
        values.update({key: value for key, value in checked.items() if key not in values})
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in list(items):
        if isinstance(value, dict | list):
            _complete(value, checked[key])
        elif type(value) is not type(checked[key]) and isinstance(value, str | float):
            values[key] = checked[key]


_LIMITS = {
    "greater_than": "{input} is not greater than {gt:g}",
    "greater_than_equal": "{input} is less than {ge:g}",
    "less_than": "{input} is not less than {lt:g}",
    "less_than_equal": "{input} is greater than {le:g}",
    "missing": "it is missing",
    "literal_error": "{input!r} must be {expected}",
    "too_short": "{actual_length} entries; it needs {min_length} at least",
    "too_long": "{actual_length} entries; it may have {max_length} at most",
    "value_error": "{error}",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "{input!r} is no whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "{input!r} is no number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "{input!r} must be true or false"),
    "string_type": "{input!r} is no text",
    "list_type": "{input!r} is no list",
    **dict.fromkeys(("dict_type", "model_type"), "{input!r} must be a mapping, `key: value`"),
    "invalid_key": "a key must be text",
    "string_pattern_mismatch": "{input!r} is no name here; it must match {pattern}",
}


def _section_key(mistake: Mapping) -> str:
    """Return the key of the section that a mistake is in."""
    return ".".join(map(str, mistake["loc"][:-1])) or "(top)"


class _Words(str):
    """Text that is shown without quotes."""

    __repr__ = str.__str__


def _describe(model: type[Section], mistake: Mapping) -> str:
    """Write a mistake as one line."""
    place = [part for part in mistake["loc"] if part != "[key]"]
    key = ".".join(map(str, place))
    if mistake["type"] == "extra_forbidden":
        known = _names_at(model, place[:-1])
        advice = near(place[-1], known, 0.5) or f"; known here: {', '.join(known)}"
        return f"config key {key}: there is no such key{advice}"
    given = mistake["input"]
    if given is None or isinstance(given, dict | list):
        given = _Words(short(given))
    values = {"input": given, **mistake.get("ctx", {})}
    form = _LIMITS.get(mistake["type"])
    why = form.format(**values) if form else f"{given!r}: {mistake['msg']}"
    if mistake["type"] == "literal_error":
        allowed = mistake["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        why += near(given, allowed, 0.7)
    return f"config key {key}: {why}"


def _names_at(model: type[Section], place: list) -> list[str]:
    """Return the keys that a section at some place may have."""
    kind = model
    for part in place:
        if get_origin(kind) is dict:  # a name of the user's choice
            kind = get_args(kind)[1]
        elif part in _fields(_section(kind)):
            kind = _section(kind).model_fields[part].annotation
    return list(_fields(_section(kind)))


def _fields(kind) -> dict[str, FieldInfo]:
    return getattr(kind, "model_fields", {})


def _section(kind) -> Any:
    """Return a type without what is annotated to it."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _inner(kind):
    """Return the section behind a type: that of the values of a mapping, or the type itself."""
    while get_origin(kind) is not None:
        kind = get_args(kind)[1] if get_origin(kind) is dict else get_args(kind)[0]
    return kind


def list_settings(model: type[Section], key: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield key, unit, limits and meaning of each value, for a table.

    Parameters
    ----------
    model
        A section.
    key
        Where it is, dotted; names that are free are in <>.
    """
    for name, info in model.model_fields.items():
        here, kind = f"{key}.{name}".lstrip("."), info.annotation
        if get_origin(kind) is dict:
            here += ".<name>"
        section = _inner(kind)
        unit = str((info.json_schema_extra or {}).get("unit") or "")
        if isinstance(section, type) and issubclass(section, Section):
            yield here, unit, "", info.description or ""
            yield from list_settings(section, here)
        else:
            yield here, unit, _limits_of(info), info.description or ""


def _limits_of(info: FieldInfo) -> str:
    """Return the limits of a value in words."""
    signs = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}"}
    found = [
        form.format(f"{getattr(rule, name):g}")
        for rule in info.metadata
        for name, form in signs.items()
        if getattr(rule, name, None) is not None
    ]
    if get_origin(info.annotation) is Literal:
        found.append(", ".join(map(str, get_args(info.annotation))))
    if not info.is_required():
        found.append(f"default {'null' if info.default is None else info.default}")
    return ", ".join(found)
