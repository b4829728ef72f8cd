"""Settings of files, compared with what the config asks for, also where either is older."""

from typing import NamedTuple

from lenscnn.core import storage
from lenscnn.records import provenance

DEFAULTS_OF_OLD_FILES = {
    "label_range": 1.0,
    "learning_rate_decay": "none",
    "mirror": False,
    "normalise": "image",
    "images.population.k_correction": False,
    "images.population.criteria.any_band": False,
    "images.population.criteria.field": 1,
    "images.population.criteria.pixels": "bright",
}
"""What older predictions were made with, by key of the training spec, where it is younger."""

FREE = ("autocast", "patience")
"""Settings of a training that may differ from the config's: its precision, which moves errors less
than another seed does (benchmarks/README.md, Less precision), and when it stops for want of
progress. They change how long a training takes, not what is learned; the provenance of a file
records them."""

_BY_NAME = ("bands",)
"""Keys below which names are, not settings: a survey of other bands is another survey."""

_PREFIX = {
    "training": "",
    "images": "images.",
    "population": "images.population.",
    "view": "images.view.",
}
"""Where in the spec of a training the keys of each kind of spec are."""


class Difference(NamedTuple):
    """A setting that a file was not made with, or not on record, as the config has it.

    `key` is that of the spec of a training, dotted.

    `kind` is "other" (another value), "free" (another value of one in `FREE`), "younger" (not in
    the file, which was made as the config asks), "unrecorded" (not in the file, and nobody knows
    what it was made with) or "dropped" (no longer in the config).
    """

    key: str
    old: object
    new: object
    kind: str


class OtherSettingsError(storage.DataFileError):
    """Predictions were made with other settings than the config's; the message names the first."""


def check_predictions(path, expected: dict) -> None:
    """Compare what a predictions file was made with and what the config asks for.

    Only a `Difference` of kind "other" counts. Old files do not say which test images they are of.

    Parameters
    ----------
    path
        The file.
    expected
        ``training``, ``images`` (of the test set) and ``n_from`` (where N came from) as in the spec
        of the file's provenance, and ``target``, the file's attribute.

    Raises
    ------
    OtherSettingsError
        If the file was made with other settings, or is another estimate.
    DataFileError
        If it has no record of them, or cannot be read.
    """
    attrs = storage.read_attrs(path)
    made = provenance.decode(attrs, path)["spec"]
    if "training" not in made:
        raise storage.DataFileError(f"{path} does not say which network made it")
    for key, found in (("target", attrs.get("target")), ("n_from", made.get("n_from"))):
        if found is not None and found != expected[key]:
            raise OtherSettingsError(
                f"{path} is another estimate: its {key} is {found}, and {expected[key]} is "
                "expected. Restore it, delete the file, or run with predictions=computed"
            )
    for part, of in (("training", ""), ("images", "test ")):
        for key, old, new, kind in differences(made.get(part, {}), expected[part], part):
            if kind == "other":
                raise OtherSettingsError(
                    f"{path} was made with other settings: {of}{key.removeprefix(_PREFIX[part])} "
                    f"is {old} there, {new} in the config. Restore them, delete the file, or run "
                    "with predictions=computed"
                )


def check_catalogue(path, attrs: dict, population: dict) -> None:
    """Compare what a catalogue was drawn from and what images of it are to be made from.

    Parameters
    ----------
    path
        Its file, for the message.
    attrs
        Its attributes.
    population
        As in the spec of the images.

    Raises
    ------
    DataFileError
        If a setting differs. One that the file does not know counts as in `check_predictions`.
    """
    made = provenance.decode(attrs, path)["spec"]
    for key, old, new, kind in differences(made, population, "population"):
        if kind == "other":
            raise storage.DataFileError(
                f"{path} was drawn with other settings: {key.removeprefix('images.')} is {old} "
                f"there, and {new} is expected: delete the file and run again, and it is made anew"
            )


def differences(made: dict, expected: dict, kind: str) -> list[Difference]:
    """List where the spec that a file was made with differs from the one that the config asks for.

    This is the one rule by which settings are compared: where predictions are taken as released,
    where images are made of a catalogue, and where the provenance of a product is judged.

    Parameters
    ----------
    made, expected
        Specs of the same kind.
    kind
        "training", "images", "population" or "view".
    """
    return _differences(made, expected, _PREFIX[kind])


def _differences(made: dict, expected: dict, prefix: str) -> list[Difference]:
    found = [
        Difference(f"{prefix}{name}", made[name], None, "dropped")
        for name in made
        if name not in expected
    ]
    for name, new in expected.items():
        key = f"{prefix}{name}"
        if name not in made:
            found += _if_not_recorded(key, new)
            continue
        old = made[name]
        nested = isinstance(old, dict) and isinstance(new, dict)
        if nested and (name not in _BY_NAME or old.keys() == new.keys()):
            found += _differences(old, new, f"{key}.")
        elif old != new:
            found.append(Difference(key, old, new, "free" if key in FREE else "other"))
    return found


def _if_not_recorded(key: str, new: object) -> list[Difference]:
    """Return the difference of a file that does not know a setting."""
    if key in FREE:
        return [Difference(key, None, new, "free")]
    if key not in DEFAULTS_OF_OLD_FILES:
        return [Difference(key, None, new, "unrecorded")]
    old = DEFAULTS_OF_OLD_FILES[key]
    return [Difference(key, old, new, "younger" if old == new else "other")]
