"""Files: what is written is read, and nothing half-written is taken for complete."""

import binascii
import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from conftest import ROOT

from lenscnn.core import storage

THREE = {"N": np.arange(3)}
"""Labels of three images."""


def _shard(path, n=6, value=1.0, side=4):
    labels = {"N": np.arange(n), "subset": np.array(["varied"] * n)}
    with storage.ImageWriter(path, labels, (1, side, side), {"unit": "electrons"}) as shard:
        for start in range(0, n, 4):
            rows = min(4, n - start)
            ramp = np.arange(side * side, dtype=np.float32).reshape(1, 1, side, side)
            shard.write(np.repeat(value + ramp, rows, axis=0))


def test_arrays_come_back(tmp_path):
    arrays = {"x": np.linspace(0, 1, 7), "name": np.array(["a", "bc"]), "n": np.ones((2, 3), int)}
    storage.write_h5(tmp_path / "f.h5", arrays, {"unit": "arcsec"})
    back, attrs = storage.read_h5(tmp_path / "f.h5")
    assert attrs["unit"] == "arcsec"
    assert set(back) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values)


def test_same_content_same_bytes(tmp_path):
    for name in ("a", "b"):
        storage.write_h5(tmp_path / name, {"x": np.arange(5.0)}, {"unit": "s"})
        _shard(tmp_path / f"{name}.shard")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.shard").read_bytes() == (tmp_path / "b.shard").read_bytes()


def test_shards_join_in_order(tmp_path):
    _shard(tmp_path / "0.h5", 6, 1.0)
    _shard(tmp_path / "1.h5", 3, 2.0)
    images, labels, attrs = storage.load_images([tmp_path / "0.h5", tmp_path / "1.h5"])
    assert images.shape == (9, 1, 4, 4) and images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0, 0, 0], [1] * 6 + [2] * 3)
    np.testing.assert_array_equal(labels["N"], [0, 1, 2, 3, 4, 5, 0, 1, 2])
    assert set(labels["subset"]) == {"varied"} and attrs["unit"] == "electrons"


def test_a_catalogue_is_made_of_its_own_files_in_order(tmp_path):
    spec = {"spec": "{}", "split": "train"}
    for name, start, attrs in (
        ("0", 0, spec), ("1", 3, spec), ("other", 3, spec | {"spec": '{"seed": 2}'}),
        ("test", 3, spec | {"split": "test"}),
    ):  # fmt: skip
        storage.write_h5(tmp_path / name, {"index": start + np.arange(3)}, attrs)
    paths = {path.name: path for path in tmp_path.iterdir()}
    columns, attrs = storage.read_catalogue([paths["0"], paths["1"]], split="train")
    assert list(columns["index"]) == [0, 1, 2, 3, 4, 5] and attrs["split"] == "train"
    for names, message in (
        (("0", "test"), "test is of another data set: split is test, and train is expected"),
        (("0", "other"), "other is of another data set: spec is"),
        (("1", "0"), "1 does not hold the lenses from 0 on: delete"),
        (("0", "0"), "0 does not hold the lenses from 3 on: delete"),
    ):
        with pytest.raises(storage.DataFileError, match=message):
            storage.read_catalogue([paths[name] for name in names], split="train")


def test_chosen_columns_of_several_files_join(tmp_path):
    for k in (0, 1):
        arrays = {"x": np.arange(3.0) + 10 * k, "unused": np.zeros(3)}
        storage.write_h5(tmp_path / f"{k}.h5", arrays, {"k": k})
    paths = [tmp_path / "0.h5", tmp_path / "1.h5"]
    joined = storage.read_columns(paths, ["x"])
    assert joined.keys() == {"x"}
    np.testing.assert_array_equal(joined["x"], [0, 1, 2, 10, 11, 12])
    assert storage.read_attrs(paths[1])["k"] == 1
    with pytest.raises(storage.DataFileError, match="0.h5 lacks y; it has .'unused', 'x'"):
        storage.read_columns(paths, ["x", "y"])


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_truncated_file_is_named(tmp_path, keep):
    path = tmp_path / "shard.h5"
    _shard(path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    for read in (storage.read_h5, storage.read_attrs, lambda path: storage.load_images([path])):
        with pytest.raises(storage.DataFileError, match="shard.h5.*delete it"):
            read(path)


def test_foreign_files_are_named(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros((2, 1, 3, 3))
    with pytest.raises(storage.DataFileError, match="other.h5 was not written by this pipeline"):
        storage.load_images([tmp_path / "other.h5"])
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(storage.DataFileError, match="text.h5"):
        storage.read_h5(tmp_path / "text.h5")
    with pytest.raises(storage.DataFileError, match="absent.h5 does not exist"):
        storage.read_h5(tmp_path / "absent.h5")


def contents(kind, path):
    """All that a table or a shard says, as text."""
    if kind == "table":
        arrays, attrs = storage.read_h5(path)
    else:
        images, labels, attrs = storage.load_images([path])
        arrays = labels | {"images": images}
    return repr(attrs) + repr({name: values.tolist() for name, values in arrays.items()})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "shard"])
def test_a_flipped_bit_is_named_or_harmless(tmp_path, kind):
    """Wherever it is: in numbers, in text, or in what describes them."""
    path = tmp_path / f"{kind}.h5"
    if kind == "table":
        arrays = {"x": np.arange(30.0), "name": np.array(["a", "b"])}
        storage.write_h5(path, arrays, {"unit": "s", "spec": '{"a": 1}', "first_row": 3})
    else:
        _shard(path, n=3)
    whole, before = path.read_bytes(), contents(kind, path)
    named = 0
    for at in range(0, len(whole), 3):
        content = bytearray(whole)
        content[at] ^= 1 << at % 8
        path.write_bytes(content)
        try:
            assert contents(kind, path) == before, at
        except storage.DataFileError as error:
            named += f"{kind}.h5" in str(error)
    assert named > len(whole) / 12


def test_a_shard_is_no_table(tmp_path):
    _shard(tmp_path / "shard.h5")
    with pytest.raises(storage.DataFileError, match="shard.h5 holds labels"):
        storage.read_h5(tmp_path / "shard.h5")


def test_a_catalogue_is_no_shard(tmp_path):
    storage.write_h5(tmp_path / "catalogue.h5", {"N": np.arange(3)}, {})
    with pytest.raises(storage.DataFileError, match="catalogue.h5 holds no images"):
        storage.load_images([tmp_path / "catalogue.h5"])


def test_shards_of_different_size_do_not_join(tmp_path):
    _shard(tmp_path / "0.h5", side=4)
    _shard(tmp_path / "1.h5", side=5)
    with pytest.raises(storage.DataFileError, match="1.h5 has images of"):
        storage.load_images([tmp_path / "0.h5", tmp_path / "1.h5"])


def test_a_failure_leaves_the_old_file_and_no_leftover(tmp_path):
    path = tmp_path / "shard.h5"
    _shard(path)
    before = path.read_bytes()
    with pytest.raises(KeyError), storage.ImageWriter(path, THREE, (1, 4, 4), {}) as shard:
        shard.write(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))
        raise KeyError("anything")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_missing_images_are_an_error(tmp_path):
    with (
        pytest.raises(ValueError, match="1 of 3 images"),
        storage.ImageWriter(tmp_path / "s.h5", THREE, (1, 4, 4), {}) as shard,
    ):
        shard.write(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))
    assert list(tmp_path.iterdir()) == []


def test_room_is_kept_for_all_that_is_to_come(tmp_path):
    """Before the first image; what is written later fits in."""
    path, labels = tmp_path / "s.h5", {"N": np.arange(50_000)}
    with storage.ImageWriter(path, labels, (1, 5, 5), {}) as shard:
        (temporary,) = tmp_path.iterdir()
        before = temporary.stat()
        for _ in range(10):
            shard.write(np.random.default_rng(1).random((5000, 1, 5, 5), dtype=np.float32))
    after = path.stat()
    assert before.st_blocks == after.st_blocks and before.st_size == after.st_size
    assert 512 * before.st_blocks > 50_000 * 4 * 25


def test_a_disk_that_fails_at_the_end_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "I/O error")

    with (
        pytest.raises(storage.DataFileError, match="cannot write .*s.h5"),
        storage.ImageWriter(tmp_path / "s.h5", THREE, (1, 4, 4), {}) as shard,
    ):
        shard.write(np.random.default_rng(1).random((3, 1, 4, 4), dtype=np.float32))
        monkeypatch.setattr(h5py.Dataset, "__setitem__", fail)  # the checksums are left
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    """Of writers that are gone; a living one, or one of another host, may still need its file."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    host, here = storage._host(), os.getpid()
    names = {
        f".shard.h5.{host}.{gone.pid}.0123abcd.tmp": False,
        f".shard.h5.{host}.{here}.0123abcd.tmp": True,
        f".shard.h5.elsewhere.{gone.pid}.0123abcd.tmp": True,
        f".shard.h5.elsewhere.{gone.pid}.4567abcd.tmp": False,  # of two days ago
        f".other.h5.{host}.{gone.pid}.0123abcd.tmp": True,
    }
    for name in names:
        (tmp_path / name).write_text("half")
    before = time.time() - 2 * 86400
    os.utime(tmp_path / f".shard.h5.elsewhere.{gone.pid}.4567abcd.tmp", (before, before))
    _shard(tmp_path / "shard.h5")
    kept = {name for name, stays in names.items() if stays}
    assert {path.name for path in tmp_path.iterdir()} == kept | {"shard.h5"}


def test_a_leftover_that_cannot_be_removed_stops_nothing(tmp_path, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    leftover = tmp_path / f".shard.h5.{storage._host()}.{gone.pid}.0123abcd.tmp"
    leftover.write_text("half")
    unlink = storage.Path.unlink

    def refuse(path, **options):
        if path == leftover:
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, **options)

    monkeypatch.setattr(storage.Path, "unlink", refuse)
    _shard(tmp_path / "shard.h5")
    assert leftover.exists() and (tmp_path / "shard.h5").exists()


def test_two_writers_of_equal_process_ids_do_not_meet(tmp_path, monkeypatch):
    """As in two containers, or of a job that was requeued while the first lives."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.setattr(socket, "gethostname", lambda: "node")
    monkeypatch.setattr(storage, "_is_running", lambda process: True)
    path = tmp_path / "table.h5"
    with storage.atomic_write(path) as slow, open(slow, "wb") as file:
        file.write(b"the first half")
        file.flush()
        storage.write_h5(path, {"x": np.arange(3)}, {})
        file.write(b" and the second")
        file.flush()
        assert list(storage.read_h5(path)[0]["x"]) == [0, 1, 2]
    assert path.read_bytes() == b"the first half and the second"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def no_locks(tmp_path):
    """Environment of processes to which the system refuses locks, as some networks' disks do."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source, library = tmp_path / "locks.c", tmp_path / "locks.so"
    source.write_text(
        "#include <errno.h>\nint flock(int fd, int how) { errno = ENOLCK; return -1; }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT / "src")}


def test_files_are_written_and_read_without_locks(tmp_path, no_locks):
    program = """
import fcntl, sys
import numpy as np
from lenscnn.core import storage
try:
    fcntl.flock(open(sys.argv[1] + ".lock", "w"), fcntl.LOCK_EX)
    sys.exit("locks work")
except OSError:
    pass
storage.write_h5(sys.argv[1] + "/table.h5", {"x": np.arange(3)}, {"unit": "s"})
with storage.ImageWriter(sys.argv[1] + "/shard.h5", {"N": np.arange(2)}, (1, 3, 3), {}) as shard:
    shard.write(np.arange(18.0, dtype=np.float32).reshape(2, 1, 3, 3))
storage.read_h5(sys.argv[1] + "/table.h5")
print(storage.load_images([sys.argv[1] + "/shard.h5"])[0].sum())
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env=no_locks, capture_output=True, text=True)
    assert done.stdout == "153.0\n", done.stderr


def test_a_file_that_is_not_ours_to_read_is_not_called_damaged(tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    _shard(tmp_path / "shard.h5")
    storage.write_h5(tmp_path / "table.h5", {"x": np.arange(3)}, {})
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    for name in ("shard.h5", "table.h5"):
        (tmp_path / name).chmod(0)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match="shard.h5"):
            storage.load_images([tmp_path / "shard.h5"])
        with pytest.raises(PermissionError, match="table.h5"):
            storage.read_h5(tmp_path / "table.h5")
    finally:
        os.seteuid(0)


def test_a_disk_that_fails_while_it_is_read_is_not_damage(tmp_path, monkeypatch):
    """h5py has the system's number of an error in its text only."""
    _shard(tmp_path / "shard.h5")

    def fail(*_, **__):
        raise OSError("Can't read data (file read failed: errno = 5, error message = 'I/O error')")

    monkeypatch.setattr(h5py.Dataset, "read_direct", fail)
    with pytest.raises(OSError, match="shard.h5") as caught:
        storage.load_images([tmp_path / "shard.h5"])
    assert caught.value.errno == errno.EIO and "delete" not in str(caught.value)


SHORT_OF_MEMORY = """
import resource, sys
from lenscnn.core import storage

storage.read_h5(sys.argv[1])
pages = int(open("/proc/self/statm").read().split()[0])
for step in range(2, 40):
    room = pages * resource.getpagesize() + 150_000 * step
    resource.setrlimit(resource.RLIMIT_AS, (room, -1))
    try:
        storage.read_h5(sys.argv[1])
        said = "read"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    print(said)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
def test_a_table_is_not_called_damaged_where_memory_is_short(tmp_path):
    """Wherever memory ends: in an array of ours or while HDF5 unpacks one."""
    path, rng = tmp_path / "t.h5", np.random.default_rng(1)
    storage.write_h5(path, {f"x{k}": rng.random(120_000) for k in range(12)}, {})
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, path], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ends = {line.partition(": Unable")[0] for line in done.stdout.splitlines()} - {"read"}
    assert ends == {f"MemoryError: no memory to read {path}"}


def test_a_spoilt_label_is_found(tmp_path):
    path = tmp_path / "shard.h5"
    _shard(path)
    with h5py.File(path) as file:
        place = file["labels/N"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(storage.DataFileError, match="shard.h5 is damaged.*delete it"):
        storage.load_images([path])


def test_zeros_within_images_are_found(tmp_path):
    """64 KiB of zeros in the middle of a file, as a disk may leave them."""
    path = tmp_path / "shard.h5"
    images = np.random.default_rng(1).normal(size=(200, 1, 60, 60)).astype(np.float32)
    with storage.ImageWriter(path, {"N": np.arange(200)}, (1, 60, 60), {}) as shard:
        shard.write(images)
    np.testing.assert_array_equal(storage.load_images([path])[0], images)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 65536] = bytes(65536)
    path.write_bytes(content)
    with pytest.raises(storage.DataFileError, match="images 0 to 199 do not match.*delete it"):
        storage.load_images([path])


@pytest.mark.parametrize("sizes", [[600], [1, 255, 256, 88], [300, 300], [7] * 85 + [5]])
def test_checksums_do_not_depend_on_how_images_came(tmp_path, sizes):
    images = np.random.default_rng(1).normal(size=(600, 1, 4, 4)).astype(np.float32)
    path, start = tmp_path / "shard.h5", 0
    with storage.ImageWriter(path, {"N": np.arange(600)}, (1, 4, 4), {}) as shard:
        for size in sizes:
            shard.write(images[start : start + size])
            start += size
    with h5py.File(path) as file:
        blocks = [images[k : k + 256].tobytes() for k in (0, 256, 512)]
        assert list(file["checksums"]) == [binascii.crc32(block) for block in blocks]
    np.testing.assert_array_equal(storage.load_images([path])[0], images)
    with h5py.File(path, "r+") as file:
        file["images"][300, 0, 1, 1] += 1e-3
    with pytest.raises(storage.DataFileError, match="shard.h5 .*images 256 to 511 do not match"):
        storage.load_images([path])
    with h5py.File(path, "r+") as file:
        del file["checksums"]  # as older files are
    storage.load_images([path])


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_images_that_hold_nothing_are_not_written(tmp_path, value):
    images = np.random.default_rng(1).normal(size=(5, 2, 4, 4)).astype(np.float32)
    images[3] = value
    with (
        pytest.raises(ValueError, match="s.h5: image 5 holds"),
        storage.ImageWriter(tmp_path / "s.h5", {"N": np.arange(7)}, (2, 4, 4), {}) as shard,
    ):
        shard.write(images[:2])
        shard.write(images)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_room_that_cannot_be_reserved_is_no_error(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    _shard(tmp_path / "shard.h5")
    assert len(storage.load_images([tmp_path / "shard.h5"])[0]) == 6


def test_full_disk_is_named(tmp_path):
    """A limit on the size of files stands for the full disk: the same refusal of the system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, hard))
    try:
        with pytest.raises(storage.DataFileError, match="cannot write .*shard.h5.*free space"):
            _shard(tmp_path / "shard.h5", 100, side=60)
        with pytest.raises(storage.DataFileError, match="cannot write .*table.h5.*free space"):
            numbers = np.random.default_rng(1).random(200_000)
            storage.write_h5(tmp_path / "table.h5", {"x": numbers}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_needs_no_system_that_reserves_room(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")  # as on macOS
    images = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    with storage.ImageWriter(tmp_path / "s.h5", THREE, (1, 2, 2), {}) as shard:
        shard.write(images)
    np.testing.assert_array_equal(storage.load_images([tmp_path / "s.h5"])[0], images)


@pytest.mark.parametrize(
    ("number", "refused"),
    [
        (errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EROFS, True),
        (errno.EACCES, True), (errno.EPERM, True), (errno.EIO, True),
        (errno.ESTALE, False), (errno.EINTR, False), (errno.EMFILE, False),
    ],
)  # fmt: skip
def test_only_a_system_that_refuses_to_write_is_told_as_such(
    tmp_path, monkeypatch, number, refused
):
    """Of other errors Python's own words are kept; the file that was there is, too, in any case."""
    path = tmp_path / "t.h5"
    storage.write_h5(path, THREE, {})
    before = path.read_bytes()

    def refuse(old, new):
        raise OSError(number, os.strerror(number), str(old), None, str(new))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(Exception) as caught:
        storage.write_h5(path, {"N": np.arange(4)}, {})
    if refused:
        assert type(caught.value) is storage.DataFileError
        assert str(caught.value).startswith(f"cannot write {path}: ")
    else:
        assert isinstance(caught.value, OSError) and caught.value.errno == number
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_gives_back_something_else_is_told(tmp_path, monkeypatch):
    path = tmp_path / "t.h5"
    storage.write_h5(path, THREE, {})
    before = path.read_bytes()
    honest = type(path).read_bytes
    monkeypatch.setattr(type(path), "read_bytes", lambda file: honest(file)[:-1] + b"?")
    with pytest.raises(storage.DataFileError, match="t.h5: what the disk holds is not what was"):
        storage.write_h5(path, {"N": np.arange(4)}, {})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "write", [lambda path: storage.write_h5(path, THREE, {}), _shard], ids=["table", "shard"]
)
def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch, write):
    """A machine that loses power just after must not have the name without the content."""
    done, fsync, replace = [], os.fsync, os.replace

    def on_disk(number):
        fsync(number)
        done.append(os.path.realpath(f"/proc/self/fd/{number}"))

    def named(old, new):
        done.append((os.path.realpath(old), os.path.getsize(old)))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", on_disk)
    monkeypatch.setattr(os, "replace", named)
    write(tmp_path / "f.h5")
    temporary, size = done[-1]
    assert temporary in done[:-1]
    assert size == (tmp_path / "f.h5").stat().st_size


def test_device_that_refuses_to_be_written_is_named(tmp_path):
    with (
        pytest.raises(storage.DataFileError, match="cannot write .*table.csv.*free space"),
        storage.atomic_write(tmp_path / "table.csv") as path,
        open("/dev/full", "w") as full,  # a device on which every write fails with ENOSPC
    ):
        path.write_text("begun")
        full.write("x" * 100_000)
    assert list(tmp_path.iterdir()) == []
