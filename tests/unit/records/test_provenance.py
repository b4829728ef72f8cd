"""What a product says of itself."""

import hashlib
import json

from lenscnn.core import storage
from lenscnn.records import provenance


def test_inputs_of_equal_names_keep_apart(tmp_path):
    """Named as briefly as tells them apart, each with the SHA-256 of its bytes."""
    paths = [tmp_path / folder / "shard_0.txt" for folder in ("a/test", "b/test")]
    for k, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([k]))
    sums = [hashlib.sha256(bytes([k])).hexdigest() for k in range(2)]
    inputs = json.loads(provenance.collect({}, paths)["inputs"])
    assert list(inputs) == ["a/test/shard_0.txt", "b/test/shard_0.txt"]
    assert all(full.startswith(short) for full, short in zip(sums, inputs.values(), strict=True))
    assert list(json.loads(provenance.collect({}, paths[:1] * 2)["inputs"])) == ["shard_0.txt"]


def test_what_made_the_inputs_and_theirs_is_kept(tmp_path):
    """Catalogue, images, weights (no HDF5 file), predictions: each by code of its own."""
    catalogue, images, network = (tmp_path / name for name in ("lenses.h5", "test.h5", "cnn.pt"))
    storage.write_h5(catalogue, {}, provenance.collect({}, []) | {"code": "first"})
    record = provenance.collect({}, [catalogue])
    storage.write_h5(images, {}, record | {"code": "second"})
    network.write_bytes(b"weights")
    trained = provenance.collect({}, [images]) | {"code": "third"}
    record = provenance.collect({}, [network, images], records={network: trained})
    seen = ["second", {"lenses.h5": ["first", {}]}]
    assert provenance.decode(record, "it")["origins"] == {
        "cnn.pt": ["third", {"test.h5": seen}],
        "test.h5": seen,
    }
