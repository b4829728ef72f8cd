"""Files of arrays: HDF5, written under a temporary name and renamed, checked when read.

What happens to files is decided here and in `weights.save` and `weights.load`, which use this
module, and nowhere else:

- A file under its final name is complete. It is written under a temporary name, of the host, the
  process and a random part, so that no two writers share one, and renamed.
- What a killed writer leaves behind is removed by the next writer of the same file.
- `OSError`: the system did not hand a file over, or did not take it. It says nothing of the
  content. Nothing is deleted or replaced, and the same call may succeed later.
- `DataFileError`: the file was read, and it is damaged, foreign, or not what is expected; or it is
  not there, or there is no room or no permission to write it. The message names the file and says
  what to do. Only where the content is bad it says that the file is to be deleted.

HDF5's locks are not used: some file systems refuse them, and files that are written once and
renamed need none. Every byte of a file is under a checksum: images under ours, labels and tables
under HDF5's, and what describes them under those of HDF5's format of 2017, if attributes are bytes.
"""

import contextlib
import errno
import glob
import io
import os
import re
import secrets
import socket
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

FORMAT = "lenscnn/1"
"""Mark of our files, in the attribute ``format``."""

_CANNOT_WRITE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO
}  # fmt: skip

_LEFT_BEHIND_SECONDS = 24 * 3600.0
"""Age at which a temporary file of another host is taken for left behind."""

_BLOCK = 256
"""Images that have a checksum together."""

_UNPACKING = 2**22
"""Bytes that HDF5 may take to unpack a piece of a table, of 1 MiB at most, with some to spare."""

_LIBVER = ("v110", "v110")
"""HDF5's first format with a checksum on all that describes the data."""


class DataFileError(Exception):
    """A data file is missing, damaged, foreign, or cannot be written; the message names it."""


@contextlib.contextmanager
def atomic_write(path):
    """Give a temporary path beside `path`; rename it to `path` if the block succeeds.

    Parameters
    ----------
    path
        The file to write. Its folder is made if need be.

    Yields
    ------
    Path
        Where to write. Removed if the block fails.

    Raises
    ------
    DataFileError
        If the system refuses to write (disk full, quota, no permission).
    """
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        token = f"{_host()}.{os.getpid()}.{secrets.token_hex(4)}"
        temporary = path.with_name(f".{path.name}.{token}.tmp")
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        other = error.filename not in (None, str(path), str(path.parent), str(temporary))
        if error.errno not in _CANNOT_WRITE or other:
            raise
        raise DataFileError(
            f"cannot write {path}: {error}. Nothing was kept of it; "
            "free space or choose another folder, then run again"
        ) from error


def _remove_left_behind(path: Path) -> None:
    """Remove temporary files of `path` whose writers are gone."""
    form = re.compile(re.escape(f".{path.name}.") + r"(.*)\.(\d+)\.[0-9a-f]{8}\.tmp")
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
            writer = form.fullmatch(leftover.name)
            gone = writer and writer[1] == _host() and not _is_running(int(writer[2]))
            if gone or time.time() - leftover.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                leftover.unlink()


def _host() -> str:
    """Return where process ids mean something: the host, and the container if it is in one."""
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()}-{os.stat('/proc/self/ns/pid').st_ino}"
    return socket.gethostname()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def write_bytes(path, content) -> None:
    """Write a file at once; it gets its name when the disk has given back what was written.

    Parameters
    ----------
    path
        The file to write. Its folder is made if need be.
    content
        Bytes or a buffer.

    Raises
    ------
    DataFileError
        If it cannot be written, or if what the disk holds is not what was written.
    """
    with atomic_write(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):  # so that it is read from the disk, not from memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if temporary.read_bytes() != content:
            raise DataFileError(
                f"cannot write {path}: what the disk holds is not what was written. The file of "
                "that name, if there was one, is as before; check the disk, then run again"
            )


def _encode(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    return values.astype("S") if values.dtype.kind in "UO" else values


def _decode(dataset: h5py.Dataset) -> np.ndarray:
    try:
        values = dataset[()]
    except (OSError, RuntimeError):
        # HDF5 has the same words for a spoilt piece and for one that it has no memory to unpack.
        np.empty(dataset.nbytes + _UNPACKING, np.uint8)
        raise
    return values.astype(str) if values.dtype.kind == "S" else values


def _set_attrs(file: h5py.File, attrs: dict) -> None:
    """Set attributes, text as bytes: text of any length would lie outside all checksums."""
    for name, value in {"format": FORMAT, **attrs}.items():
        file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value


def _attrs_of(file: h5py.File) -> dict:
    """Return attributes; older files have text where new ones have bytes."""
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in file.attrs.items()
    }


def _allocated() -> h5py.h5p.PropDCID:
    """Return settings of an array that has its place in the file before its values come."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return settings


def write_h5(path, arrays: dict[str, np.ndarray], attrs: dict) -> None:
    """Write arrays and attributes, compressed, in one go.

    Parameters
    ----------
    path
        Appears only when complete.
    arrays
        Data sets by name, of one dimension or more; text is allowed.
    attrs
        Attributes of the file: units, provenance.

    Raises
    ------
    DataFileError
        If it cannot be written.
    """
    # Made in memory: HDF5 that cannot flush to a full disk brings the process down on exit.
    buffer = io.BytesIO()
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True, "track_times": False}
    with h5py.File(buffer, "w", track_order=True, libver=_LIBVER) as file:
        _set_attrs(file, attrs)
        for name, values in arrays.items():
            file.create_dataset(name, data=_encode(values), **options)
    write_bytes(path, buffer.getbuffer())


@contextlib.contextmanager
def _open_h5(path):
    """Open an HDF5 file of this project; an error of HDF5 in the block names the file."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise DataFileError(f"{path} does not exist") from None
    try:
        with h5py.File(path, "r", locking=False) as file:
            if (mark := _attrs_of(file).get("format")) != FORMAT:
                raise DataFileError(
                    f"{path} was not written by this pipeline (attribute 'format' is {mark!r}, "
                    f"expected {FORMAT!r}): move it away and run again"
                )
            yield file
    except MemoryError as error:
        raise MemoryError(f"no memory to read {path}: {error}") from error
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        if refused := re.search(r"errno = (\d+)", str(error)):  # HDF5 tells it in words only
            number = int(refused[1])
            raise OSError(number, f"{os.strerror(number)} ({error})", str(path)) from error
        raise DataFileError(
            f"{path} is damaged or not what is expected ({error}): delete it and run again"
        ) from error


def read_h5(path) -> tuple[dict[str, np.ndarray], dict]:
    """Read arrays and attributes of a file made by `write_h5`.

    Raises
    ------
    DataFileError
        If the file is missing, truncated or foreign.
    """
    with _open_h5(path) as file:
        if groups := [name for name, item in file.items() if isinstance(item, h5py.Group)]:
            raise DataFileError(f"{path} holds {', '.join(groups)}: it is a shard of images")
        return {name: _decode(dataset) for name, dataset in file.items()}, _attrs_of(file)


def read_catalogue(paths: list, **expected) -> tuple[dict[str, np.ndarray], dict]:
    """Read a catalogue of lenses from its files and check that they are its files, in order.

    Parameters
    ----------
    paths
        Files made by `write_h5`; ``index`` counts lenses from 0.
    **expected
        Attributes that each file must have.

    Returns
    -------
    columns : dict of ndarray, shape (n,)
    attrs : dict
        Of the first file.

    Raises
    ------
    DataFileError
        As `read_h5`, or if a file has other attributes, was made from another spec or other inputs
        than the first, or does not hold the next lenses.
    """
    parts, attrs = [], {}
    for path in paths:
        columns, found = read_h5(path)
        attrs = attrs or found
        alike = [(name, attrs.get(name)) for name in ("spec", "inputs")]
        for name, value in (*expected.items(), *alike):
            if found.get(name) != value:
                raise DataFileError(
                    f"{path} is of another data set: {name} is {found.get(name)}, and {value} is "
                    "expected: delete the file and run again, and it is made anew"
                )
        start = sum(len(part["index"]) for part in parts)
        if columns["index"][0] != start:
            raise DataFileError(
                f"{path} does not hold the lenses from {start} on: delete the file and run again, "
                "and it is made anew"
            )
        parts.append(columns)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, attrs


def read_attrs(path) -> dict:
    """Read the attributes of a file of arrays or of images.

    Raises
    ------
    DataFileError
        If the file is missing, truncated or foreign.
    """
    with _open_h5(path) as file:
        return _attrs_of(file)


def read_columns(paths: list, names) -> dict[str, np.ndarray]:
    """Read some arrays of several files made by `write_h5`, end to end.

    Raises
    ------
    DataFileError
        As `read_h5`, or if a file lacks one of them.
    """
    parts = []
    for path in paths:
        with _open_h5(path) as file:
            if missing := sorted(set(names) - file.keys()):
                raise DataFileError(f"{path} lacks {', '.join(missing)}; it has {sorted(file)}")
            parts.append({name: _decode(file[name]) for name in names})
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


class ImageWriter:
    """A shard of images, written in chunks; a context manager.

    Parameters
    ----------
    path
        Appears when the block has succeeded and every image was written.
    labels : dict of array, shape (n,)
        One value an image, by name.
    shape
        (C, H, W) of one image.
    attrs
        Attributes of the file.

    Raises
    ------
    ValueError
        If labels have different lengths.
    DataFileError
        On entering the block, if there is no room for the whole file. Later there is.
    """

    def __init__(self, path, labels: dict, shape: tuple[int, int, int], attrs: dict):
        self.path, self.shape, self.attrs = Path(path), tuple(shape), attrs
        self.columns = {name: _encode(values) for name, values in labels.items()}
        lengths = {name: len(values) for name, values in self.columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"labels of one value an image have these lengths: {lengths}")
        self.n = min(lengths.values())

    def __enter__(self):
        size = 4 * self.n * int(np.prod(self.shape))
        size += sum(values.nbytes for values in self.columns.values())
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_write(self.path))
            # HDF5 copes badly with a disk that fills up under it: is there room at all?
            temporary.touch()
            _reserve(temporary, size + 2**20)
            self._file = file = stack.enter_context(
                h5py.File(temporary, "w", track_order=True, locking=False, libver=_LIBVER)
            )
            _set_attrs(file, self.attrs)
            n_blocks = -(-self.n // _BLOCK)
            for name, shape, kind in (
                ("images", (self.n, *self.shape), np.float32),
                ("checksums", (n_blocks,), np.uint32),
            ):
                file.create_dataset(name, shape, kind, track_times=False, dcpl=_allocated())
            for name, values in self.columns.items():
                file.create_dataset(
                    f"labels/{name}", data=values, track_times=False, compression="gzip"
                )
            file.flush()
            _reserve(temporary, temporary.stat().st_size)  # HDF5 began with an empty file
            self._stack = stack.pop_all()
        self._written = 0
        self._checksums = _Checksums()
        return self

    def write(self, images: np.ndarray) -> None:
        """Append images, (b, C, H, W) float32.

        Raises
        ------
        ValueError
            If an image has one value throughout, or one that is not finite: a fault before it was
            written.
        """
        images = np.ascontiguousarray(images, np.float32)
        try:
            _check_values(images, self._written)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        self._file["images"][self._written : self._written + len(images)] = images
        self._checksums.add(images)
        self._written += len(images)

    def __exit__(self, *failure):
        if failure[0] is not None:
            return self._stack.__exit__(*failure)
        with self._stack:
            if self._written != self.n:
                raise ValueError(f"{self.path}: {self._written} of {self.n} images were written")
            self._file["checksums"][...] = self._checksums.blocks


class _Checksums:
    """CRC-32 of each `_BLOCK` images of a shard, however many come at a time."""

    def __init__(self):
        self.blocks: list[int] = []
        self._room = 0  # in the last block

    def add(self, images: np.ndarray) -> None:
        """Append images, which need not fill a block."""
        while len(images):
            if self._room == 0:
                self.blocks.append(0)
                self._room = _BLOCK
            part, images = images[: self._room], images[self._room :]
            self.blocks[-1] = zlib.crc32(part.data, self.blocks[-1])
            self._room -= len(part)


def _reserve(path: Path, size: int) -> None:
    """Have the system keep room for a file, where it can."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in _CANNOT_WRITE:
            raise  # there is none

        # Some file systems cannot say: it is a precaution.


def _check_values(images: np.ndarray, first_row: int = 0) -> None:
    """Raise ValueError if an image has one value throughout, or one that is not finite."""
    low, high = (function(images, axis=(1, 2, 3)) for function in (np.min, np.max))
    bad = ~(low < high) | ~np.isfinite(low) | ~np.isfinite(high)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        what = "one value throughout" if low[row] == high[row] else "a number that is not finite"
        raise ValueError(f"image {first_row + row} holds {what} ({bad.sum()} such images)")


def shapes(shards: list) -> list[tuple[int, int, int, int]]:
    """Return the shape (n, C, H, W) of the images in each shard.

    Raises
    ------
    DataFileError
        If a file is missing, damaged, foreign, no shard, or has images of another shape.
    """
    found = []
    for path in shards:
        with _open_h5(path) as file:
            if "images" not in file or "labels" not in file:
                raise DataFileError(f"{path} holds no images with labels: is it a shard?")
            found.append(file["images"].shape)
        if found[-1][1:] != found[0][1:]:
            raise DataFileError(
                f"{path} has images of {found[-1][1:]}, {shards[0]} of {found[0][1:]}: one of them "
                "is of another data set; delete it and run again"
            )
    return found


def _compare(images: np.ndarray, expected: np.ndarray) -> None:
    """Raise ValueError if images are not those whose checksums a shard holds."""
    checksums = _Checksums()
    checksums.add(images)
    found = np.array(checksums.blocks, np.uint32)
    if len(found) != len(expected) or (found != expected).any():
        block = int(np.argmax(found != expected)) if len(found) == len(expected) else 0
        last = min((block + 1) * _BLOCK, len(images)) - 1
        raise ValueError(f"images {block * _BLOCK} to {last} do not match their checksum")


def load_images(shards: list) -> tuple[np.ndarray, dict[str, np.ndarray], dict]:
    """Load images and labels of a data set into one array.

    Parameters
    ----------
    shards
        Files made by `ImageWriter`, in order.

    Returns
    -------
    images : ndarray of float32, shape (n, C, H, W)
    labels : dict of ndarray, shape (n,)
    attrs : dict
        Attributes of the first shard.

    Raises
    ------
    DataFileError
        If a shard is missing, damaged, foreign, or does not fit the others, or if an image has one
        value throughout or one that is not finite.
    OSError
        If the system does not hand a shard over.
    """
    sizes = shapes(shards)
    counts = [size[0] for size in sizes]
    images = np.empty((sum(counts), *sizes[0][1:]), np.float32)
    parts, attrs, start = [], {}, 0
    for path, count in zip(shards, counts, strict=True):
        with _open_h5(path) as file:
            rows = np.s_[start : start + count]
            file["images"].read_direct(images, dest_sel=rows)
            if "checksums" in file:  # older files have none
                _compare(images[rows], file["checksums"][()])
            _check_values(images[rows])
            parts.append({name: _decode(data) for name, data in file["labels"].items()})
            attrs = attrs or _attrs_of(file)
        start += count
    if any(part.keys() != parts[0].keys() for part in parts):
        raise DataFileError(f"{shards[0]} and its companions have different labels")
    labels = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return images, labels, attrs
