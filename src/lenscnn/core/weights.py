"""Files of tensors and plain values: written whole, checked when read."""

import io
import pickle
import zipfile
from pathlib import Path

import torch

from lenscnn.core.storage import DataFileError, write_bytes


def save(path, contents: dict) -> None:
    """Write tensors and plain values with `torch.save`.

    The file replaces an older one of its name only when it is complete and has been read back.

    Raises
    ------
    DataFileError
        If it cannot be written.
    """
    buffer = io.BytesIO()  # and not the path, whose (temporary) name torch would store in the file
    torch.save(contents, buffer)
    write_bytes(path, buffer.getbuffer())


def load(path) -> dict:
    """Read a file made by `save`, onto the CPU.

    Raises
    ------
    OSError
        If the system does not hand the file over. It says nothing of the content, which may be
        intact: the same call may succeed later.
    DataFileError
        If the file is missing, or was read and is damaged or foreign.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataFileError(f"{path} does not exist") from error
    try:
        # torch does not look at the archive's checksums, which would let a flipped bit pass.
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("checksum is wrong")
        contents = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise DataFileError(
            f"{path} is damaged or not a file of network weights ({error}): delete it and run again"
        ) from error
    if not isinstance(contents, dict):
        raise DataFileError(f"{path} holds no named contents: it was not written by this pipeline")
    return contents
