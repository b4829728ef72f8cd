"""Read strong gravitational lenses with CNNs: simulate, train, predict, measure, draw."""

import hashlib
from pathlib import Path, PurePath

__version__ = "0.2.0"


def source_digest(root: Path = Path(__file__).parent) -> str:
    """Return the digest of a library's source, 12 hex digits: equal code, equal digest."""
    return digest_of({path.relative_to(root): path.read_bytes() for path in root.rglob("*.py")})


def digest_of(source: dict[PurePath, bytes]) -> str:
    """Return the `source_digest` of files by path, relative to the library's folder."""
    digest = hashlib.sha256()
    for path in sorted(source):
        digest.update(path.as_posix().encode() + source[path])
    return digest.hexdigest()[:12]


SOURCE_DIGEST = source_digest()
"""`source_digest` when the library was imported: that of the code which runs."""
