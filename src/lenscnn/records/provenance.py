"""What a product was made from: spec, inputs, code, libraries, device.

No timestamps: files made twice from the same things are the same.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import lenscnn
from lenscnn.core.storage import DataFileError, read_attrs

_LIBRARIES = ("numpy", "scipy", "numba", "torch", "h5py", "pandas", "matplotlib", "snakemake")

MADE_WITH = ("Snakefile", "src", "scripts", "workflow", "config", "data")
"""What products are made with: files and folders of the checkout."""

_RECORD = ("code", "python", "libraries", "device", "spec", "inputs")


def canonical_json(spec) -> str:
    """Write a spec as JSON with sorted keys: equal specs give equal text."""
    return json.dumps(spec, sort_keys=True)


def plain_text(value) -> str:
    """Write a value of a spec for a person: JSON without quotes, none for nothing."""
    return "none" if value is None else canonical_json(value).replace('"', "")


def file_digest(path) -> str:
    """Return SHA-256 of a file's content, first 16 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def code_version() -> str:
    """Return package version, digest of the library's source, and git commit where there is one.

    The commit is that of a repository that tracks this very file; of another one around the
    source tree it would say nothing. It is marked as dirty if code, config or data differ from it;
    products that were made meanwhile do not count.
    """
    version = f"{lenscnn.__version__}+src.{lenscnn.SOURCE_DIGEST}"
    here = Path(__file__)
    try:
        git(here.parent, "ls-files", "--error-unmatch", here.name)
        commit = git(here.parent, "rev-parse", "--short=12", "HEAD").decode().strip()
        paths = [str(here.parents[3] / name) for name in MADE_WITH]
        if git(here.parent, "status", "--porcelain", "--untracked-files=no", "--", *paths):
            commit += "-dirty"
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}.git.{commit}"


def git(folder, *arguments: str) -> bytes:
    """Return what git says in a folder, whatever repository a hook runs for.

    Raises
    ------
    OSError, subprocess.SubprocessError
        If there is no git, or it refuses.
    """
    elsewhere = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    environment = {key: value for key, value in os.environ.items() if key not in elsewhere}
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout


def collect(
    spec: dict, inputs: list, device: str = "cpu", records: dict | None = None
) -> dict[str, str]:
    """Collect the provenance of a product, as text to be stored with it.

    Parameters
    ----------
    spec
        Everything the step was told.
    inputs
        Paths of the files it read.
    device
        Where it computed, e.g. "cpu" or "cuda (NVIDIA H200)".
    records
        Of inputs that are no HDF5 files, and so cannot be asked, their own provenance.

    Returns
    -------
    dict of str
        Keys ``spec``, ``inputs``, ``code``, ``libraries``, ``python``, ``device`` and ``origins``.
        The last holds, for each input, the code that made it and its own origins, so that the code
        of deleted files is known.
    """
    loaded = {name: sys.modules[name] for name in _LIBRARIES if name in sys.modules}
    digests, origins = {}, {}
    for name, path in short_names(inputs).items():
        digests[name] = file_digest(path)
        record = read_attrs(path) if path.suffix == ".h5" else (records or {}).get(path, {})
        if "code" in record:
            origins[name] = [record["code"], json.loads(record.get("origins", "{}"))]
    return {
        "spec": canonical_json(spec),
        "inputs": canonical_json(digests),
        "origins": canonical_json(origins),
        "code": code_version(),
        "libraries": canonical_json({name: module.__version__ for name, module in loaded.items()}),
        "python": platform.python_version(),
        "device": device,
    }


def short_names(paths: list) -> dict[str, Path]:
    """Return paths by the shortest ends that tell them apart: names, where these differ."""
    paths = [Path(path) for path in dict.fromkeys(map(str, paths))]
    for n in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        named = {"/".join(path.parts[-n:]): path for path in paths}
        if len(named) == len(paths):
            break
    return named


def decode(stored: dict, path) -> dict:
    """Decode what `collect` gave: spec, inputs, libraries and origins as dicts.

    Raises
    ------
    DataFileError
        If something is missing; `path` is what the message names.
    """
    if missing := [key for key in _RECORD if key not in stored]:
        raise DataFileError(f"{path} does not say how it was made ({', '.join(missing)} missing)")
    try:
        decoded = {key: json.loads(stored[key]) for key in ("spec", "inputs", "libraries")}
        decoded["origins"] = json.loads(stored.get("origins", "{}"))  # which older files lack
    except ValueError as error:
        raise DataFileError(
            f"{path} is damaged: what it says of how it was made cannot be read ({error}); delete "
            "it and run again"
        ) from None
    return {key: stored[key] for key in _RECORD} | decoded


def read_hdf5(path) -> dict:
    """Read the record of an HDF5 file, decoded.

    Raises
    ------
    DataFileError
        If it has none, or cannot be read.
    """
    return decode(read_attrs(path), path)


def changes(old, new, key: str = "") -> list[tuple[str, object, object]]:
    """List dotted keys at which nested specs differ, with both values; None for an absent one."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [(key, old, new)]
    return [
        change
        for name in sorted(old.keys() | new.keys())
        for change in changes(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
    ]
