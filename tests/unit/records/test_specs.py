"""Specs in files: named by what they hold, written once, read with a clear error."""

import pytest

from lenscnn.core.storage import DataFileError
from lenscnn.records.specs import read_spec, write_spec


def test_a_spec_is_read_as_it_was_written(tmp_path):
    spec = {"b": [1, 2.5, None], "a": {"z": "é", "y": True}}
    path = write_spec(spec, tmp_path / "specs")
    assert read_spec(path) == spec
    assert write_spec(dict(reversed(spec.items())), tmp_path / "specs") == path
    assert write_spec(spec | {"b": []}, tmp_path / "specs") != path
    assert len(list((tmp_path / "specs").iterdir())) == 2


def test_a_spec_that_was_damaged_is_written_again(tmp_path):
    path = write_spec({"seed": 1}, tmp_path)
    (tmp_path / path).write_text('{"se')
    assert write_spec({"seed": 1}, tmp_path) == path
    assert read_spec(path) == {"seed": 1}


def test_what_is_no_spec_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"there is no spec .*none\.json.* start it again"):
        read_spec(tmp_path / "none.json")
    (tmp_path / "cut.json").write_bytes(b'{"seed": \xff')
    with pytest.raises(DataFileError, match=r"the spec .*cut\.json is not JSON .* Delete it"):
        read_spec(tmp_path / "cut.json")
