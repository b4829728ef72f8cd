"""Read strong gravitational lenses with CNNs: simulate, train, predict, measure, draw."""

import hashlib
import os
from pathlib import Path

__version__ = "0.1.0"


def source_digest() -> str:
    """Digest of the library's source, 12 hex digits: equal code, equal digest."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


# Numba's cache of compiled loops does not see an edit of a function that lives in another file
# than the loop calling it, so each state of the source gets a cache of its own. Set before Numba
# is imported, that is before any module of this package.
os.environ.setdefault(
    "NUMBA_CACHE_DIR", str(Path(__file__).parent / "__pycache__" / f"numba-{source_digest()}")
)
