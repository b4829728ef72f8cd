"""tools/deposit.py: what is archived, and uploads to a server that behaves like Zenodo, or not."""

import csv
import hashlib
import json
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import yaml
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import deposit  # noqa: E402

FILES = {
    "results/paper/scutt/weights/fixed/n_cnn_seed0.pt": b"weights" * 1000,
    "results/paper/scutt/weights/fixed/.n_cnn_seed1.checkpoint": b"half a training",
    "results/paper/scutt/weights/fixed/.n_cnn_seed1.pt.host.1.abcdef01.tmp": b"half a file",
    "results/paper/scutt/images/fixed/test/shard_0.h5": b"images",
    "results/paper/pearson2019/population/euclid/train/shard_0.h5": b"catalogue",
    "results/paper/pearson2019/population/euclid/test/shard_0.h5": b"committed",
    "results/quick/scutt/weights/fixed/n_cnn_seed0.pt": b"another scale",
}
ARCHIVES = ["paper-pearson2019-population.tar", "paper-scutt-weights.tar"]


@pytest.fixture
def checkout(tmp_path):
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    for name in (".gitignore", ".zenodo.json", "codemeta.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for command in ("init --quiet", "add ."):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    return tmp_path


def rows(checkout):
    with open(checkout / "deposit/manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_what_a_clone_lacks_is_archived_with_a_manifest(checkout):
    deposit.prepare(checkout, ["paper"])
    kept = [path for path in FILES if path.endswith("paper/scutt/weights/fixed/n_cnn_seed0.pt")]
    kept.insert(0, "results/paper/pearson2019/population/euclid/train/shard_0.h5")
    manifest = rows(checkout)
    assert [row["file"] for row in manifest if row["archive"]] == kept
    elsewhere = checkout / "clone"
    elsewhere.mkdir()
    for name in ARCHIVES:
        subprocess.run(["tar", "-xf", checkout / "deposit" / name], cwd=elsewhere, check=True)
    sums = "".join(f"{row['sha256']}  {row['file']}\n" for row in manifest if row["archive"])
    command = ["sha256sum", "--check", "--strict", "--quiet"]
    subprocess.run(command, cwd=elsewhere, input=sums, text=True, check=True)
    here = "".join(f"{row['sha256']}  {row['file']}\n" for row in manifest if not row["archive"])
    subprocess.run(command, cwd=checkout / "deposit", input=here, text=True, check=True)
    assert {int(row["bytes"]) for row in manifest if row["archive"]} == {7000, 9}


def test_an_archive_depends_on_its_files_alone_and_a_second_one_replaces_the_first(checkout):
    deposit.prepare(checkout, ["paper", "quick"])
    before = {path.name: path.read_bytes() for path in (checkout / "deposit").iterdir()}
    (checkout / next(iter(FILES))).touch()
    deposit.prepare(checkout, ["paper"])
    after = {path.name: path.read_bytes() for path in (checkout / "deposit").iterdir()}
    assert {name: before[name] for name in ARCHIVES} == {name: after[name] for name in ARCHIVES}
    assert set(before) - set(after) == {"quick-scutt-weights.tar"}
    with tarfile.open(checkout / "deposit" / ARCHIVES[1]) as tar:
        assert {(entry.uid, entry.mtime) for entry in tar} == {(0, 0)}


def test_the_metadata_are_those_of_the_citation(checkout):
    deposit.prepare(checkout, ["paper"])
    metadata = json.loads((checkout / "deposit/metadata.json").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for required in ("title", "upload_type", "description", "creators"):
        assert metadata[required]
    assert metadata["version"] == citation["version"]
    assert metadata["license"] == citation["license"]
    assert metadata["creators"] == citation["authors"]
    related = {entry["identifier"] for entry in metadata["related_identifiers"]}
    arxiv, doi = citation["references"][0]["url"], citation["references"][1]["doi"]
    assert related == {arxiv.replace("https://arxiv.org/abs/", "arXiv:"), doi}


def test_nothing_to_archive_is_an_error_and_leaves_the_old_deposit(checkout):
    deposit.prepare(checkout, ["paper"])
    with pytest.raises(deposit.DepositError, match="scale smoke: run it first"):
        deposit.prepare(checkout, ["smoke"])
    assert rows(checkout)


class Zenodo(BaseHTTPRequestHandler):
    """The part of Zenodo's API that an upload needs, one draft, in memory."""

    def answer(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def draft(self):
        api, files = f"http://127.0.0.1:{self.server.server_port}/api", self.server.files
        sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
        return {
            "id": 7, "submitted": self.server.published,
            "files": [{"filename": name, "checksum": md5} for name, md5 in sums.items()],
            "links": {"bucket": self.server.bucket or f"{api}/files/b", "html": "the page"},
        }  # fmt: skip

    def handle_one(self):
        server, name = self.server, self.path.rpartition("/")[2]
        size = int(self.headers.get("Content-Length", 0))
        server.calls.append((self.command, self.path))
        if name == server.breaks_at:
            self.rfile.read(size // 2)
            return self.connection.close()
        body = self.rfile.read(size)
        if self.headers["Authorization"] != "Bearer secret":
            return self.answer(401, {"message": "wrong credentials", "status": 401})
        if (self.command, self.path) == ("POST", "/api/deposit/depositions"):
            return self.answer(201, self.draft())
        if self.path.startswith("/api/files/b/"):
            server.files[name] = body[: server.keeps]
            md5 = hashlib.md5(server.files[name]).hexdigest()
            return self.answer(201, {"key": name, "checksum": f"md5:{md5}"})
        assert self.path == "/api/deposit/depositions/7"
        if self.command == "PUT":
            server.metadata = json.loads(body)["metadata"]
            if server.refuses:
                return self.answer(400, {"message": "Validation error", "errors": []})
        return self.answer(200, self.draft())

    do_GET = do_POST = do_PUT = handle_one

    def log_message(self, *arguments):
        pass


@pytest.fixture
def zenodo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Zenodo)
    server.files, server.calls, server.metadata, server.keeps = {}, [], None, None
    server.breaks_at = server.refuses = server.published = server.bucket = None
    server.api = f"http://127.0.0.1:{server.server_port}/api"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def folder(checkout):
    deposit.prepare(checkout, ["paper"])
    return checkout / "deposit"


def test_an_upload_fills_a_draft_and_publishes_nothing(folder, zenodo):
    assert deposit.upload(folder, zenodo.api, "secret") == "the page"
    names = [*ARCHIVES, "metadata.json", "manifest.csv"]
    assert zenodo.files == {name: (folder / name).read_bytes() for name in names}
    assert zenodo.metadata == json.loads((folder / "metadata.json").read_text())
    assert not [path for _, path in zenodo.calls if "actions" in path]
    assert len(zenodo.calls) == len(names) + 2


def test_a_broken_upload_goes_on_where_it_stopped(folder, zenodo):
    zenodo.breaks_at = ARCHIVES[1]
    with pytest.raises(requests.RequestException):
        deposit.upload(folder, zenodo.api, "secret")
    assert list(zenodo.files) == ARCHIVES[:1] and zenodo.metadata is None
    zenodo.breaks_at = None
    zenodo.calls.clear()
    deposit.upload(folder, zenodo.api, "secret")
    assert ("POST", "/api/deposit/depositions") not in zenodo.calls
    assert ("PUT", f"/api/files/b/{ARCHIVES[0]}") not in zenodo.calls
    assert zenodo.files[ARCHIVES[1]] == (folder / ARCHIVES[1]).read_bytes() and zenodo.metadata


def test_only_what_changed_is_sent_again(folder, zenodo):
    deposit.upload(folder, zenodo.api, "secret")
    (folder.parent / next(iter(FILES))).write_bytes(b"trained again")
    deposit.prepare(folder.parent, ["paper"])
    zenodo.calls.clear()
    deposit.upload(folder, zenodo.api, "secret")
    sent = [path.rpartition("/")[2] for verb, path in zenodo.calls if "/files/" in path]
    assert sent == [ARCHIVES[1], "manifest.csv"]


def test_a_refusal_is_told_in_the_words_of_the_server(folder, zenodo):
    with pytest.raises(deposit.DepositError, match=r"401, .*wrong credentials"):
        deposit.upload(folder, zenodo.api, "stolen")
    assert not (folder / "upload.json").exists() and not zenodo.files
    zenodo.refuses = True
    with pytest.raises(deposit.DepositError, match=r"PUT \S+/7: 400, .*Validation error"):
        deposit.upload(folder, zenodo.api, "secret")


def test_other_bytes_than_were_sent_are_an_error(folder, zenodo):
    zenodo.keeps = 5
    with pytest.raises(deposit.DepositError, match=f"{ARCHIVES[0]} arrived with other bytes"):
        deposit.upload(folder, zenodo.api, "secret")
    zenodo.keeps = None
    deposit.upload(folder, zenodo.api, "secret")
    assert zenodo.files[ARCHIVES[0]] == (folder / ARCHIVES[0]).read_bytes()


def test_a_published_draft_is_left_alone(folder, zenodo):
    deposit.upload(folder, zenodo.api, "secret")
    zenodo.published = True
    with pytest.raises(deposit.DepositError, match="draft 7 is published"):
        deposit.upload(folder, zenodo.api, "secret")


def test_the_token_goes_nowhere_else(folder, zenodo):
    zenodo.bucket = "http://elsewhere.example/files/b"
    with pytest.raises(deposit.DepositError, match="no token goes there"):
        deposit.upload(folder, zenodo.api, "secret")


def test_a_folder_that_is_not_as_its_manifest_says_is_not_sent(folder, zenodo):
    (folder / ARCHIVES[0]).write_bytes(b"cut sho")
    with pytest.raises(deposit.DepositError, match="not as its manifest says: make deposit"):
        deposit.upload(folder, zenodo.api, "secret")
    (folder / "manifest.csv").unlink()
    with pytest.raises(deposit.DepositError, match=r"there is no \S+manifest.csv: make deposit"):
        deposit.upload(folder, zenodo.api, "secret")
    assert zenodo.calls == []


@pytest.mark.parametrize(
    "silent, said",
    [
        ("token", "error: set ZENODO_TOKEN"),
        ("server", "The same command goes on where this one stopped."),
    ],
)
def test_the_command_says_what_is_missing(folder, monkeypatch, silent, said):
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr("sys.argv", ["deposit.py", "upload", "--sandbox"])
    monkeypatch.delenv("ZENODO_TOKEN", raising=False)
    monkeypatch.setitem(deposit.ZENODO, True, "http://127.0.0.1:9/api")  # where nothing listens
    if silent == "server":
        monkeypatch.setenv("ZENODO_TOKEN", "secret")
    with pytest.raises(SystemExit, match=said):
        deposit.main()
