"""Whether the code of a checkout is that which made a file.

The record of a file has the digest of the library and a git commit (`provenance.code_version`).
The history of the checkout gives the code of that commit, file by file; what Snakemake notes of a
job that ran here (its metadata) gives the digest of every file that the job read.
"""

import ast
import base64
import functools
import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path, PurePath, PurePosixPath

import yaml

from lenscnn import digest_of
from lenscnn.records.provenance import file_digest, git

_CODE, _LIBRARY = ("src", "scripts"), "src/lenscnn"

REDRAWN = "paper_figures/{scale}/redrawn.json"
"""Where it is noted that the files of a scale came out as committed when they were made anew:
``commit``, whose code made them, and ``files``."""


class Checkout:
    """Read the code and products of a checkout as they are, and as they were.

    Parameters
    ----------
    root
        Folder of the checkout. Without git, or with a shallow history, it has no past.
    """

    def __init__(self, root):
        self.root = Path(root)
        self.changed_since = functools.cache(self._changed_since)
        self.code_at = functools.cache(self._code_at)
        self.commit_of = functools.cache(self._commit_of)
        self._redrawn = functools.cache(self._read_redrawn)

    def _git(self, *arguments: str) -> str:
        """Return what git says here, nothing where there is no git or no such commit."""
        try:
            return git(self.root, *arguments).decode(errors="replace")
        except (OSError, subprocess.SubprocessError):
            return ""

    @functools.cached_property
    def _last_commits(self) -> dict[str, str]:
        """Map each file of data, config and products to the commit that last changed it."""
        paths = ("results", "paper_figures", "data", "config")
        commits, commit = {}, ""
        for line in self._git("log", "--format=:%h", "--name-only", "--", *paths).splitlines():
            if line.startswith(":"):
                commit = line[1:]
            elif line:
                commits.setdefault(line, commit)
        return commits

    def _changed_since(self, commit: str) -> set[str]:
        """Return the paths of the files that are not as they were in a commit."""
        return set(self._git("diff", "--name-only", "--no-renames", commit).splitlines())

    def committed(self, path: str) -> str:
        """Return the commit that a file came with; "" if it has changed since, or none has it."""
        commit = self._last_commits.get(path, "")
        return "" if commit and path in self.changed_since(commit) else commit

    def _read_redrawn(self, scale: str) -> tuple[str, set[str]]:
        try:
            note = json.loads((self.root / REDRAWN.format(scale=scale)).read_text())
        except OSError:
            return "", set()
        return note["commit"], set(note["files"])

    def redrawn(self, path: str) -> str:
        """Return the commit whose code made a file as it is; "" where none is noted.

        Files that are not here count as that code made them.
        """
        commit, files = self._redrawn("".join(Path(path).parts[1:2]))
        return commit if path in files and path not in self.changed_since(commit) else ""

    def earlier(self, path: str, digest: str) -> bytes | None:
        """Return the content that a file had in some commit, by the digest of a record."""
        for commit in self._git("log", "--format=%h", "--", path).split():
            content = self.content(commit, path)
            if content is not None and hashlib.sha256(content).hexdigest().startswith(digest):
                return content
        return None

    def content(self, commit: str, path: str) -> bytes | None:
        """Return the content that a file had in a commit, None if that did not have it."""
        try:
            return git(self.root, "show", f"{commit}:{path}")
        except (OSError, subprocess.SubprocessError):
            return None

    def _code_at(self, commit: str) -> tuple[dict[str, bytes], str]:
        """Return the code of a commit by path, and the digest of its library.

        Both are empty if the history does not have the commit.
        """
        try:
            packed = git(self.root, "archive", "--format=zip", "-0", commit, *_CODE)
        except (OSError, subprocess.SubprocessError):
            return {}, ""
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            code = {name: archive.read(name) for name in names}
        library: dict[PurePath, bytes] = {
            PurePosixPath(name).relative_to(_LIBRARY): content
            for name, content in code.items()
            if name.startswith(f"{_LIBRARY}/") and name.endswith(".py")
        }
        return code, digest_of(library)

    def _commit_of(self, library: str, commit: str) -> str:
        """Return the commit whose library has a digest: the one on record, or a later one.

        Code that had been edited when a file was made was committed later, as a rule. A copy
        without history records no commit (""): then the last commit here with that library is
        returned.
        """
        if commit:
            later = ("--reverse", f"{commit}..HEAD")
            candidates = [commit, *self._commits_of_library(*later)]
        else:
            candidates = self._commits_of_library("HEAD")
        return next((c for c in candidates if self.code_at(c)[1] == library), "")

    def _commits_of_library(self, *span: str) -> list[str]:
        """Return the commits of a span of the history that changed the library."""
        return self._git("rev-list", "--abbrev-commit", *span, "--", "src").split()

    def note(self, path: str) -> dict:
        """Return what Snakemake noted of the job that made a file here (its metadata).

        Empty if the file was not made here, or is no longer as that job left it.
        """
        name = base64.urlsafe_b64encode(path.encode()).decode()
        try:
            written = (self.root / path).stat().st_mtime
            note = json.loads((self.root / ".snakemake/metadata" / name).read_text())
        except (OSError, ValueError):  # of a long path the name is cut: it counts as not made here
            return {}
        return note if note["starttime"] - 1 <= written <= note["endtime"] + 1 else {}

    def job(self, path: str) -> dict[str, str]:
        """Return the digests of the files that the job read which made a file here, by path.

        Empty as `note` is. Snakemake takes no digest of large files.
        """
        digests = self.note(path).get("input_checksums") or {}
        return {name: digest.removeprefix("sha256:") for name, digest in digests.items()}

    def digest(self, path: str) -> str:
        """Return the digest of a file that is here."""
        return file_digest(self.root / path)

    def is_younger(self, path: str, other: str) -> bool:
        """Return whether a file was written after another one."""
        return (self.root / path).stat().st_mtime > (self.root / other).stat().st_mtime

    def is_as_read(self, path: str, product: str, read: dict[str, str]) -> bool:
        """Return whether a file is the one that the job read which made a product here."""
        if path in read:
            return read[path].startswith(self.digest(path))
        return not self.is_younger(path, product)


def same_values(old: bytes, new: bytes) -> bool:
    """Return whether two versions of a YAML file hold the same values: comments may differ."""
    return yaml.safe_load(old) == yaml.safe_load(new)


def same_program(old: bytes, new: bytes) -> bool:
    """Return whether two versions of a Python file compute the same.

    They may differ in comments, docstrings, layout and the types of arguments.
    """
    return ast.dump(_Bare().visit(ast.parse(old))) == ast.dump(_Bare().visit(ast.parse(new)))


class _Bare(ast.NodeTransformer):
    """Take away what a program does not compute with."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def _function(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        return self._body(node)

    def _body(self, node):
        self.generic_visit(node)
        node.body = [part for part in node.body if not _is_text(part)]
        return node

    visit_FunctionDef = _function
    visit_ClassDef = _body
    visit_Module = _body


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
