"""What a product says of itself."""

import hashlib
import json

from lenscnn.records import provenance


def test_inputs_of_equal_names_keep_apart(tmp_path):
    """Named as briefly as tells them apart, each with the SHA-256 of its bytes."""
    paths = [tmp_path / folder / "shard_0.h5" for folder in ("a/test", "b/test")]
    for k, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([k]))
    sums = [hashlib.sha256(bytes([k])).hexdigest() for k in range(2)]
    inputs = json.loads(provenance.collect({}, paths)["inputs"])
    assert list(inputs) == ["a/test/shard_0.h5", "b/test/shard_0.h5"]
    assert all(full.startswith(short) for full, short in zip(sums, inputs.values(), strict=True))
    assert list(json.loads(provenance.collect({}, paths[:1] * 2)["inputs"])) == ["shard_0.h5"]
