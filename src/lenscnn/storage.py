"""Files of arrays: HDF5, written under a temporary name and renamed, checked when read.

A file under its final name is complete; what a killed or failed writer leaves behind has another
name and is removed by the next writer of the same file.
"""

import contextlib
import errno
import io
import os
from pathlib import Path

import h5py
import numpy as np

FORMAT = "lenscnn/1"
"""Mark of our files, in the attribute ``format``."""


_CANNOT_WRITE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO
}  # fmt: skip


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
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise DataFileError(
            f"cannot write {path}: {error}. Nothing was kept of it; "
            "free space or choose another folder, then run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


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
    with h5py.File(buffer, "w", track_order=True) as file:
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
    if not Path(path).exists():
        raise DataFileError(f"{path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise DataFileError(
                    f"{path} was not written by this pipeline (attribute 'format' is "
                    f"{file.attrs.get('format')!r}, expected {FORMAT!r}): "
                    "move it away and run again"
                )
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
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
                if hasattr(os, "posix_fallocate"):  # not on macOS
                    os.posix_fallocate(file.fileno(), 0, size + 2**20)
            self._file = stack.enter_context(h5py.File(temporary, "w", track_order=True))
            self._file.attrs.update({"format": FORMAT, **self.attrs})
            self._images = self._file.create_dataset(
                "images", (self.n, *self.shape), np.float32, track_times=False
            )
            self._stack = stack.pop_all()
        self._written = 0
        return self

    def write(self, images: np.ndarray) -> None:
        """Append images, (b, C, H, W) float32."""
        self._images[self._written : self._written + len(images)] = images
        self._written += len(images)

    def labels(self, columns: dict[str, np.ndarray]) -> None:
        """Store labels, one value an image, by name."""
        for name, values in columns.items():
            if len(values) != self.n:
                raise ValueError(f"label {name!r} has {len(values)} rows for {self.n} images")
            self._file.create_dataset(f"labels/{name}", data=_encode(values), track_times=False)

    def __exit__(self, *failure):
        if failure[0] is None and self._written != self.n:
            error = ValueError(f"{self.path}: {self._written} of {self.n} images were written")
            self._stack.__exit__(ValueError, error, None)
            raise error
        return self._stack.__exit__(*failure)


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
        If a shard is missing, truncated, foreign, or does not fit the others.
    """
    counts, shapes = [], []
    for path in shards:
        with _open_h5(path) as file:
            if "images" not in file or "labels" not in file:
                raise DataFileError(f"{path} holds no images with labels: is it a shard?")
            counts.append(len(file["images"]))
            shapes.append(file["images"].shape[1:])
    for path, shape in zip(shards, shapes, strict=True):
        if shape != shapes[0]:
            raise DataFileError(f"{path} has images of {shape}, {shards[0]} of {shapes[0]}")
    images = np.empty((sum(counts), *shapes[0]), np.float32)
    parts, attrs, start = [], None, 0
    for path, count in zip(shards, counts, strict=True):
        with _open_h5(path) as file:
            file["images"].read_direct(images, dest_sel=np.s_[start : start + count])
            parts.append({name: _decode(data) for name, data in file["labels"].items()})
            attrs = attrs or dict(file.attrs)
        start += count
    if any(part.keys() != parts[0].keys() for part in parts):
        raise DataFileError(f"{shards[0]} and its companions have different labels")
    labels = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return images, labels, attrs
