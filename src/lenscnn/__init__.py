"""Read strong gravitational lenses with CNNs: simulate, train, predict, measure, draw."""

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

__version__ = "0.1.0"


def source_digest() -> str:
    """Digest of the library's source, 12 hex digits: equal code, equal digest."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _compiled_folder() -> Path | None:
    """Return a folder that can be written, for the compiled loops of this state of the source.

    Numba's cache does not see an edit of a function that lives in another file than the loop that
    calls it. So each state of the source has a folder of its own, below whatever folder the user
    has chosen: else below the source, the user's cache, or the folder for temporary files.
    """
    name = f"numba-{source_digest()}"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and Path(chosen).name == name:  # from the process that started this one
        chosen = Path(chosen).parent
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    own = f"lenscnn-{os.getuid()}" if hasattr(os, "getuid") else "lenscnn"
    parents = [chosen] if chosen else [Path(__file__).parent / "__pycache__"]
    for parent in (*parents, Path(home, "lenscnn"), Path(tempfile.gettempdir(), own)):
        folder = Path(parent) / name
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            tempfile.TemporaryFile(dir=folder).close()
            if not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid():
                return folder
    return None


def _drop_damaged(folder: Path) -> None:
    """Delete files of compiled loops that are incomplete, as when a node died writing one.

    Each file is a pickle, which begins and ends with marks of its own; Numba compiles again what
    it does not find. Other processes may do the same at the same time.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.rglob("*.nb[ci]")):
            with open(path, "rb") as file:
                first = file.read(1)
                file.seek(-1 if first else 0, os.SEEK_END)
                damaged = (first, file.read(1)) != (b"\x80", b".")
            if damaged:
                print(f"{path} is damaged: it is compiled again", file=sys.stderr)
                path.unlink(missing_ok=True)


# Before Numba is imported, that is before any module of this package.
if _folder := _compiled_folder():
    _drop_damaged(_folder)
    os.environ["NUMBA_CACHE_DIR"] = str(_folder)
