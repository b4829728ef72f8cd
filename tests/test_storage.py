"""Files: what is written is read, and nothing half-written is taken for complete."""

import h5py
import numpy as np
import pytest

from lenscnn import storage


def _shard(path, n=6, value=1.0, side=4):
    with storage.ImageWriter(path, n, (1, side, side), {"unit": "electrons"}) as shard:
        shard.labels({"N": np.arange(n), "subset": np.array(["varied"] * n)})
        for start in range(0, n, 4):
            rows = min(4, n - start)
            shard.write(np.full((rows, 1, side, side), value, np.float32))


def test_arrays_come_back(tmp_path):
    arrays = {"x": np.linspace(0, 1, 7), "name": np.array(["a", "bc"]), "n": np.int64(3)}
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


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_truncated_file_is_named(tmp_path, keep):
    path = tmp_path / "shard.h5"
    _shard(path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    for read in (storage.read_h5, lambda path: storage.load_images([path])):
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
    with pytest.raises(KeyError), storage.ImageWriter(path, 3, (1, 4, 4), {}) as shard:
        shard.write(np.zeros((1, 1, 4, 4), np.float32))
        raise KeyError("anything")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_missing_images_are_an_error(tmp_path):
    with (
        pytest.raises(ValueError, match="1 of 3 images"),
        storage.ImageWriter(tmp_path / "s.h5", 3, (1, 4, 4), {}) as shard,
    ):
        shard.write(np.zeros((1, 1, 4, 4), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / ".shard.h5.999.tmp").write_text("half")
    _shard(tmp_path / "shard.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["shard.h5"]


def test_full_disk_is_named_before_and_while_writing(tmp_path, monkeypatch):
    usage = storage.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(storage.DataFileError, match="shard.h5: it needs .* MB"):
        _shard(tmp_path / "shard.h5", 10, side=60)
    with (
        pytest.raises(storage.DataFileError, match="cannot write .*table.csv.*free space"),
        storage.replacing(tmp_path / "table.csv") as path,
        open("/dev/full", "w") as full,  # a device on which every write fails with ENOSPC
    ):
        path.write_text("begun")
        full.write("x" * 100_000)
    assert list(tmp_path.iterdir()) == []
