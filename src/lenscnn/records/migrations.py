"""Settings in files that were made before a setting existed."""

from collections.abc import Iterator

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


class OtherSettingsError(storage.DataFileError):
    """Predictions were made with other settings than the config's; the message names the first."""


def check_predictions(path, expected: dict) -> None:
    """Compare what a predictions file was made with and what the config asks for.

    A setting that the file does not know counts as its value in `DEFAULTS_OF_OLD_FILES`, or as the
    same; one that the config no longer has, and those in `FREE`, count for nothing. Older files do
    not say which test images they are of.

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
    for part, prefix, of in (("training", "", ""), ("images", "images.", "test ")):
        for key, old, new in _differences(made.get(part, {}), expected[part], prefix):
            if key not in FREE:
                raise OtherSettingsError(
                    f"{path} was made with other settings: {of}{key.removeprefix(prefix)} is {old} "
                    f"there, {new} in the config. Restore them, delete the file, or run with "
                    "predictions=computed"
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
    for key, old, new in _differences(made, population, "images.population."):
        raise storage.DataFileError(
            f"{path} was drawn with other settings: {key.removeprefix('images.')} is {old} there, "
            f"and {new} is expected: delete the file and run again, and it is made anew"
        )


def _differences(made: dict, expected: dict, prefix: str) -> Iterator[tuple[str, object, object]]:
    """Yield keys of `expected`, dotted, at which `made` has another value, and both values."""
    for name, new in expected.items():
        key = f"{prefix}{name}"
        old = made[name] if name in made else DEFAULTS_OF_OLD_FILES.get(key, new)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{key}.")
        elif old != new:
            yield key, old, new
