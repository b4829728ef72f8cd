"""Files of arrays: HDF5, written under a temporary name and renamed, checked when read.

What happens to files is decided here and in `networks.save` and `networks.load`, which use this
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
renamed need none. Images carry checksums, tables those of their compression.
"""

import contextlib
import errno
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


class DataFileError(Exception):
    """A data file is missing, damaged, foreign, or cannot be written; the message names it."""


@contextlib.contextmanager
def replacing(path):
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
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        token = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        temporary = path.with_name(f".{path.name}.{token}.tmp")
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise DataFileError(
            f"cannot write {path}: {error}. Nothing was kept of it; "
            "free space or choose another folder, then run again"
        ) from error


def _remove_left_behind(path: Path) -> None:
    """Remove temporary files of `path` whose writers are gone."""
    form = re.compile(re.escape(f".{path.name}.") + r"(.*)\.(\d+)\.[0-9a-f]{8}\.tmp")
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            writer = form.fullmatch(leftover.name)
            here = writer is not None and writer[1] == socket.gethostname()
            old = time.time() - leftover.stat().st_mtime > _LEFT_BEHIND_SECONDS
            if old or (here and not _is_running(int(writer[2]))):
                leftover.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _encode(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    return values.astype("S") if values.dtype.kind in "UO" else values


def _decode(dataset: h5py.Dataset) -> np.ndarray:
    values = dataset[()]
    return values.astype(str) if values.dtype.kind == "S" else values


def write_h5(path, arrays: dict[str, np.ndarray], attrs: dict) -> None:
    """Write arrays and attributes, compressed, in one go.

    Parameters
    ----------
    path
        Appears only when complete.
    arrays
        Data sets by name; text is allowed.
    attrs
        Attributes of the file: units, provenance.

    Raises
    ------
    DataFileError
        If it cannot be written.
    """
    # Made in memory: HDF5 that cannot flush to a full disk brings the process down on exit.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as file:  # in memory, where nothing is locked
        file.attrs.update({"format": FORMAT, **attrs})
        for name, values in arrays.items():
            values = _encode(values)
            options = {"compression": "gzip", "shuffle": True} if values.ndim else {}
            file.create_dataset(name, data=values, track_times=False, **options)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


@contextlib.contextmanager
def _open_h5(path):
    """An HDF5 file of ours to read; whatever HDF5 stumbles over in the block names the file."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise DataFileError(f"{path} does not exist") from None
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != FORMAT:
                raise DataFileError(
                    f"{path} was not written by this pipeline (attribute 'format' is "
                    f"{file.attrs.get('format')!r}, expected {FORMAT!r}): "
                    "move it away and run again"
                )
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        if refused := re.search(r"errno = (\d+)", str(error)):  # HDF5 tells it in words only
            number = int(refused[1])
            raise OSError(number, f"{os.strerror(number)} ({error})", str(path)) from error
        raise DataFileError(
            f"{path} is damaged or not what is expected ({error}): delete it and run again"
        ) from error


def read_h5(path) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and attributes of a file made by `write_h5`.

    Raises
    ------
    DataFileError
        If the file is missing, truncated or foreign.
    """
    with _open_h5(path) as file:
        if groups := [name for name, item in file.items() if isinstance(item, h5py.Group)]:
            raise DataFileError(f"{path} holds {', '.join(groups)}: it is a shard of images")
        return {name: _decode(dataset) for name, dataset in file.items()}, dict(file.attrs)


def read_catalogue(paths: list, **expected) -> tuple[dict[str, np.ndarray], dict]:
    """Read a catalogue of lenses from its files and check that they are its files, in order.

    Parameters
    ----------
    paths
        Files made by `write_h5`; if there are several, ``index`` counts lenses from 0.
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
        As `read_h5`, or if a file has other attributes, was made from another spec than the first,
        or does not hold the next lenses.
    """
    parts, attrs = [], None
    for path in paths:
        columns, found = read_h5(path)
        attrs = attrs or found
        for name, value in (*expected.items(), ("spec", attrs.get("spec"))):
            if found.get(name) != value:
                raise DataFileError(
                    f"{path} is of another data set: {name} is {found.get(name)}, and {value} is "
                    "expected: delete the file and run again, and it is made anew"
                )
        start = sum(len(part["index"]) for part in parts)
        if len(paths) > 1 and columns["index"][0] != start:
            raise DataFileError(
                f"{path} does not hold the lenses from {start} on: delete the file and run again, "
                "and it is made anew"
            )
        parts.append(columns)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, attrs


def read_attrs(path) -> dict:
    """Attributes of a file of arrays or of images.

    Raises
    ------
    DataFileError
        If the file is missing, truncated or foreign.
    """
    with _open_h5(path) as file:
        return dict(file.attrs)


def read_columns(paths: list, names) -> dict[str, np.ndarray]:
    """Some arrays of several files made by `write_h5`, end to end.

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
    n
        Images in the shard.
    shape
        (C, H, W) of one image.
    attrs
        Attributes of the file.
    """

    def __init__(self, path, n: int, shape: tuple[int, int, int], attrs: dict):
        self.path, self.n, self.shape, self.attrs = Path(path), n, tuple(shape), attrs

    def __enter__(self):
        size = 4 * self.n * int(np.prod(self.shape))
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            # HDF5 copes badly with a disk that fills up under it: is there room at all?
            with open(temporary, "wb") as file:
                _reserve(file.fileno(), size + 2**20)
            self._file = stack.enter_context(
                h5py.File(temporary, "w", track_order=True, locking=False)
            )
            self._file.attrs.update({"format": FORMAT, **self.attrs})
            self._images = self._file.create_dataset(
                "images", (self.n, *self.shape), np.float32, track_times=False
            )
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
        try:
            _check_values(images, self._written)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        images = np.ascontiguousarray(images, np.float32)
        self._images[self._written : self._written + len(images)] = images
        self._checksums.add(images)
        self._written += len(images)

    def labels(self, columns: dict[str, np.ndarray]) -> None:
        """Store labels, one value an image, by name."""
        for name, values in columns.items():
            if len(values) != self.n:
                raise ValueError(f"label {name!r} has {len(values)} rows for {self.n} images")
            self._file.create_dataset(
                f"labels/{name}", data=_encode(values), track_times=False, fletcher32=True
            )

    def __exit__(self, *failure):
        if failure[0] is None and self._written != self.n:
            error = ValueError(f"{self.path}: {self._written} of {self.n} images were written")
            self._stack.__exit__(ValueError, error, None)
            raise error
        if failure[0] is None:
            self._file.create_dataset(
                "checksums", data=np.array(self._checksums.blocks, np.uint32), track_times=False
            )
        return self._stack.__exit__(*failure)


class _Checksums:
    """CRC-32 of each `_BLOCK` images of a shard, however many come at a time."""

    def __init__(self):
        self.blocks: list[int] = []
        self._room = 0  # in the last block

    def add(self, images: np.ndarray) -> None:
        while len(images):
            if self._room == 0:
                self.blocks.append(0)
                self._room = _BLOCK
            part, images = images[: self._room], images[self._room :]
            self.blocks[-1] = zlib.crc32(part, self.blocks[-1])
            self._room -= len(part)


def _reserve(descriptor: int, size: int) -> None:
    """Ask the system for room in a file, where it can say whether there is any."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in _CANNOT_WRITE:
            raise  # there is not
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
                f"{path} has images of {found[-1][1:]}, {shards[0]} of {found[0][1:]}"
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
    """Images and labels of a data set, read into one array.

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
    parts, attrs, start = [], None, 0
    for path, count in zip(shards, counts, strict=True):
        with _open_h5(path) as file:
            rows = np.s_[start : start + count]
            file["images"].read_direct(images, dest_sel=rows)
            if "checksums" in file:  # older files have none
                _compare(images[rows], file["checksums"][()])
            _check_values(images[rows])
            parts.append({name: _decode(data) for name, data in file["labels"].items()})
            attrs = attrs or dict(file.attrs)
        start += count
    if any(part.keys() != parts[0].keys() for part in parts):
        raise DataFileError(f"{shards[0]} and its companions have different labels")
    labels = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return images, labels, attrs
