"""Specs in files: what a step is told, named by its content.

The name stands for the content, so that a command line is short, and a step whose spec changed is
told another name.
"""

import hashlib
import json
from pathlib import Path

from lenscnn.core.storage import DataFileError, atomic_write
from lenscnn.records.provenance import canonical_json


def write_spec(spec, folder) -> str:
    """Write a spec to a file named by its content, unless it is there.

    Parameters
    ----------
    spec
        What JSON can hold.
    folder
        Made if need be.

    Returns
    -------
    str
        Path of the file.

    Raises
    ------
    DataFileError
        If it cannot be written.
    """
    text = canonical_json(spec) + "\n"
    path = Path(folder, hashlib.sha256(text.encode()).hexdigest()[:16] + ".json")
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path.as_posix()


def read_spec(path):
    """Read a spec.

    Raises
    ------
    DataFileError
        If there is no such file, or it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataFileError(
            f"there is no spec {path}. The workflow writes it when it plans a job: start it again"
        ) from None
    except ValueError as error:
        raise DataFileError(
            f"the spec {path} is not JSON ({error}). Delete it: the workflow writes it again"
        ) from None
