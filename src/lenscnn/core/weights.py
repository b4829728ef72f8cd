"""Files of tensors and plain values: written whole, checked when read.

A file is what `torch.save` makes of its contents, and `torch.load` reads it; behind that come a
mark and the SHA-256 of all before it, for torch looks at none of its own checksums.
"""

import hashlib
import io
import pickle
import zipfile
import zlib
from pathlib import Path

import torch

from lenscnn.core.storage import DataFileError, write_bytes

_MARK = b"\nlenscnn sha256 "


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
    content = buffer.getvalue()
    write_bytes(path, content + _MARK + hashlib.sha256(content).hexdigest().encode())


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
    content, mark, checksum = content.rpartition(_MARK)
    if mark and hashlib.sha256(content).hexdigest().encode() == checksum:
        # Intact: if this fails, it is for want of memory or of another torch.
        contents = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    else:
        contents = _load_older(path, content + mark + checksum)
    if not isinstance(contents, dict):
        raise DataFileError(f"{path} holds no named contents: it was not written by this pipeline")
    return contents


def _load_older(path, content: bytes):
    """Read a file without our checksum, as older ones are; raise DataFileError if it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # What is marked as a folder torch would take for one, and read nothing.
            folders = [info for info in archive.infolist() if info.external_attr & 0x10]
            if folders or archive.testzip() is not None or _MARK in content:
                raise zipfile.BadZipFile("checksum is wrong")
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError,
        pickle.UnpicklingError,
    ) as error:  # fmt: skip
        raise DataFileError(
            f"{path} is damaged or not a file of network weights ({error}): delete it and run again"
        ) from error
