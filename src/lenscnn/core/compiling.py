"""Compile loops with Numba and keep them on disk, apart for each state of this package's source.

Numba's own cache does not see an edit of a function in another file than the loop that calls it.
It also ends the job where it finds no folder to write to, and ends every job from then on where one
of its files is damaged. This one does none of that, and each of its files has a checksum.
"""

import functools
import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import caching, compiler, serialize

import lenscnn
from lenscnn.core.storage import DataFileError, atomic_write

_SETTINGS: Any = numba.config  # its attributes are made at run time


def njit(*signatures: str, **options) -> Callable:
    """Decorate a function as `numba.njit` does, with the cache of this module.

    Parameters
    ----------
    signatures
        Compile for these types at once and for no others; without any for what it is called with.
    options
        Of `numba.njit`; not ``cache``.
    """

    def decorate(function):
        if function.__closure__:
            raise ValueError(
                f"{function.__qualname__} uses variables of the function around it, which the name "
                "of its compiled file cannot tell apart: pass them as arguments"
            )
        loop: Any = numba.njit(**options)(function)
        if _SETTINGS.DISABLE_JIT:
            return loop
        if (folder := cache_folder()) is not None:
            loop._cache = _Cache(function, folder)
        for signature in signatures:
            loop.compile(signature)
        if signatures:
            loop.disable_compile()
        return loop

    return decorate


@functools.cache
def cache_folder() -> Path | None:
    """Return the folder of compiled loops, named by the source's digest, or None if none can be.

    A folder that others may write to is not used: what is in it will be run.
    """
    for place in _places():
        folder = place / f"numba-{lenscnn.SOURCE_DIGEST}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
            tempfile.TemporaryFile(dir=folder).close()
            if not any(_is_shared(one) for one in (folder, place)):
                return folder
    _say("no folder to keep compiled loops in: each job compiles them (NUMBA_CACHE_DIR names one)")
    return None


def _places() -> Iterator[Path]:
    """Yield where it may be: as the user says, beside the source, at home, in /tmp."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
    yield Path(lenscnn.__file__).parent / "__pycache__"
    home = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if not home.startswith("~"):
        yield Path(home, "lenscnn")
    with suppress(OSError):
        place = Path(tempfile.gettempdir(), f"lenscnn-{os.getuid()}")
        place.mkdir(mode=0o700, exist_ok=True)
        yield place


def _is_shared(folder: Path) -> bool:
    """Return whether somebody else may have put files into a folder."""
    status = folder.lstat()
    return status.st_uid != os.getuid() or bool(status.st_mode & 0o002)


class _Cache(caching.NullCache):
    """What a function was compiled to, in a file for each signature: a checksum and a pickle."""

    def __init__(self, function: Callable, folder: Path):
        self._name, self._folder = f"{function.__module__}.{function.__qualname__}", folder

    @property
    def cache_path(self) -> str:
        return str(self._folder)

    def _path(self, signature, codegen) -> Path:
        """Return a file whose name has a digest of all that compiled code depends on."""
        key = (
            str(signature),
            codegen.magic_tuple(),  # the kind of processor
            (numba.__version__, llvmlite.__version__, np.__version__),
            (_SETTINGS.OPT, _SETTINGS.BOUNDSCHECK),
            sys.implementation.cache_tag,
        )
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._name}-{digest}"

    def load_overload(self, signature, target_context):
        """Return a compiled function from its file, or None."""
        target_context.refresh()
        path = self._path(signature, target_context.codegen())
        try:
            content = path.read_bytes()
        except OSError:
            return None
        checksum, pickled = content[:32], content[32:]
        if hashlib.sha256(pickled).digest() != checksum:
            _say(f"{path} is damaged: compiled again")
            return None
        try:
            return compiler.CompileResult._rebuild(target_context, *pickle.loads(pickled))
        except Exception as error:  # whatever a library of another version makes of it
            _say(f"{path} cannot be used ({error!r}): compiled again")
            return None

    def save_overload(self, signature, compiled) -> None:
        """Write a compiled function to its file."""
        # Not if the source was edited since it was imported: this folder is for what it was then.
        if lenscnn.source_digest() != lenscnn.SOURCE_DIGEST:
            return
        pickled = serialize.dumps(compiled._reduce())
        path = self._path(signature, compiled.codegen)
        try:
            with atomic_write(path) as temporary:
                temporary.write_bytes(hashlib.sha256(pickled).digest() + pickled)
        except (DataFileError, OSError) as error:
            _say(f"compiled loops are not kept: {error}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
