"""Prepare what a run made beyond the repository for an archive, and upload it to Zenodo as a draft.

    python tools/deposit.py prepare paper
    ZENODO_TOKEN=... python tools/deposit.py upload --sandbox

The first fills the folder deposit/: trained networks and catalogues of lenses, one archive for each
paper and kind, with a manifest and the metadata of the draft, and without images. The second sends
what a draft lacks. It publishes nothing: do that on the draft's page, after a look at it.
"""

import argparse
import csv
import hashlib
import io
import itertools
import json
import os
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

import requests

from lenscnn.core.storage import DataFileError, atomic_write
from lenscnn.records.provenance import git

FOLDER = Path("deposit")
HOLDS = {
    "weights": ("a trained network", ".pt"),
    "population": ("a catalogue of lenses, one row a lens", ".h5"),
}
"""Folders of results/<scale>/<paper>/ that are archived: what a file is, how its name ends."""

ZENODO = {False: "https://zenodo.org/api", True: "https://sandbox.zenodo.org/api"}


class DepositError(Exception):
    """A deposit cannot be prepared or sent."""


def beyond_repository(root: Path, scales: list[str]) -> dict[str, list[str]]:
    """Return the paths of files that are worth keeping and in no commit, by archive."""
    tracked, archives = set(git(root, "ls-files", "-z").decode().split("\0")), defaultdict(list)
    for scale, (kind, (_, ending)) in itertools.product(scales, HOLDS.items()):
        for path in sorted(root.glob(f"results/{scale}/*/{kind}/**/*{ending}")):
            name = path.relative_to(root).as_posix()
            if name not in tracked:
                archives[f"{scale}-{name.split('/')[2]}-{kind}.tar"].append(name)
    if not archives:
        raise DepositError(f"no networks, no catalogues of scale {', '.join(scales)}: run it first")
    return dict(sorted(archives.items()))


def write_archive(root: Path, paths: list[str], archive: Path) -> list[tuple]:
    """Write a tar file whose bytes depend on the content of its files alone; return their rows."""
    rows = []
    with atomic_write(archive) as temporary, tarfile.open(temporary, "w") as tar:
        for path in paths:
            content = (root / path).read_bytes()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
            sha256, holds = hashlib.sha256(content).hexdigest(), HOLDS[Path(path).parts[3]][0]
            rows.append((path, archive.name, len(content), sha256, holds))
    return rows


def describe(root: Path) -> dict:
    """Return the metadata of the draft: those of the repository, for a data set."""
    metadata = json.loads((root / ".zenodo.json").read_text(encoding="utf-8"))
    about = json.loads((root / "codemeta.json").read_text(encoding="utf-8"))
    use = f"Unpack its archives (tar -xf) in a checkout of version {about['version']}."
    listed = "The file manifest.csv lists every file with its size and SHA-256."
    return metadata | {
        "upload_type": "dataset",
        "title": f"{metadata['title']}: trained networks and catalogues",
        "description": f"{about['description']} {use} {listed}",
        "version": about["version"],
    }


def row_of(path: Path, holds: str) -> tuple:
    return path.name, "", path.stat().st_size, digest(path), holds


def prepare(root: Path, scales: list[str]) -> list[tuple]:
    """Fill the folder deposit/ of a checkout; its manifest, written last, says that it is whole."""
    archives, folder = beyond_repository(root, scales), root / FOLDER
    (folder / "manifest.csv").unlink(missing_ok=True)
    for old in folder.glob("*.tar"):
        if old.name not in archives:
            old.unlink()
    rows = []
    for name, paths in archives.items():
        rows += write_archive(root, paths, folder / name)
        rows.append(row_of(folder / name, f"{len(paths)} files: {rows[-1][-1]} each"))
    with atomic_write(folder / "metadata.json") as temporary:
        temporary.write_text(json.dumps(describe(root), indent=2) + "\n", encoding="utf-8")
    rows.append(row_of(folder / "metadata.json", "metadata of the draft"))
    with atomic_write(folder / "manifest.csv") as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            columns = ("file", "archive", "bytes", "sha256", "holds")
            csv.writer(file).writerows([columns, *rows])
    return rows


def digest(path: Path, kind: str = "sha256") -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def check(folder: Path) -> list[Path]:
    """Return the files of a deposit; raise DepositError if they are not those of its manifest."""
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        raise DepositError(f"there is no {manifest}: make deposit")
    rows = csv.DictReader(manifest.read_text(encoding="utf-8").splitlines())
    wanted = {row["file"]: row["sha256"] for row in rows if not row["archive"]}
    for name, sha256 in wanted.items():
        if not (folder / name).exists() or digest(folder / name) != sha256:
            raise DepositError(f"{folder / name} is not as its manifest says: make deposit")
    return [*(folder / name for name in wanted), manifest]


def call(session: requests.Session, method: str, url: str, **options) -> dict:
    """Ask Zenodo, whose API is described at https://developers.zenodo.org; return its answer."""
    answer = session.request(method, url, timeout=120, allow_redirects=False, **options)
    if not 200 <= answer.status_code < 300:
        raise DepositError(f"{method} {url}: {answer.status_code}, {answer.text or answer.reason}")
    return answer.json()


def draft_of(session: requests.Session, folder: Path, api: str) -> dict:
    """Return the draft that an earlier upload began, or a new one, noted in upload.json."""
    note = folder / "upload.json"
    begun = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    if api in begun:
        draft = call(session, "GET", f"{api}/deposit/depositions/{begun[api]}")
        if draft["submitted"]:
            raise DepositError(f"draft {begun[api]} is published; for another one, delete {note}")
    else:
        draft = call(session, "POST", f"{api}/deposit/depositions", json={})
        with atomic_write(note) as temporary:
            temporary.write_text(json.dumps(begun | {api: draft["id"]}), encoding="utf-8")
    if not draft["links"]["bucket"].startswith(f"{api}/"):
        raise DepositError(f"{api} wants files at {draft['links']['bucket']}: no token goes there")
    return draft


def upload(folder: Path, api: str, token: str) -> str:
    """Send a deposit to its draft; return the address of the draft's page."""
    files = check(folder)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        draft = draft_of(session, folder, api)
        there = {file["filename"]: file["checksum"] for file in draft["files"]}
        for name in there.keys() - {path.name for path in files}:
            print(f"{name} is in the draft and no longer here: remove it there")
        for path in files:
            md5 = digest(path, "md5")
            if there.get(path.name, "").removeprefix("md5:") != md5:
                print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
                with open(path, "rb") as file:
                    answer = call(
                        session, "PUT", f"{draft['links']['bucket']}/{path.name}", data=file
                    )
                if answer["checksum"].removeprefix("md5:") != md5:
                    raise DepositError(f"{path.name} arrived with other bytes: upload again")
        metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        url = f"{api}/deposit/depositions/{draft['id']}"
        return call(session, "PUT", url, json={"metadata": metadata})["links"]["html"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare").add_argument("scales", nargs="+")
    commands.add_parser("upload").add_argument("--sandbox", action="store_true")
    arguments = parser.parse_args()
    try:
        if arguments.command == "prepare":
            rows = prepare(Path.cwd(), arguments.scales)
            sizes = [row[2] for row in rows if row[1]]
            print(f"{FOLDER}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
        elif not (token := os.environ.get("ZENODO_TOKEN")):
            raise DepositError("set ZENODO_TOKEN to a token of your account, scope deposit:write")
        else:
            print(f"look at it and publish it: {upload(FOLDER, ZENODO[arguments.sandbox], token)}")
    except (DepositError, DataFileError) as error:
        sys.exit(f"error: {error}")
    except requests.RequestException as error:
        sys.exit(f"error: {error}\nThe same command goes on where this one stopped.")


if __name__ == "__main__":
    main()
