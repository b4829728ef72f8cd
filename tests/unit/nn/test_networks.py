"""Networks: published parameter counts, the layers' arithmetic, files of weights."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lenscnn.core import weights
from lenscnn.core.storage import DataFileError
from lenscnn.nn.layers import Dropout
from lenscnn.nn.network import EVALUATION_BATCH, ConvRegressor, build, count_parameters, evaluate

N_CNN = {
    "filters": [16, 32, 64], "kernels": [5, 5, 5], "pool_after": [1, 2, 3],
    "dense": 512, "dropout": 0.25,
}  # fmt: skip
ALPHA_CNN = {"filters": [8], "kernels": [3], "pool_after": [1], "dense": 512, "dropout": 0.25}
PEARSON = {
    "filters": [32, 64, 64, 128, 128, 128], "kernels": [7, 11, 9, 7, 5, 5],
    "pool_after": [1, 2, 4, 6], "dense": 512, "dropout": 0.0,
}  # fmt: skip


# The 60x60 counts of scutt and both of pearson2019 are printed in the papers.
@pytest.mark.parametrize(
    ("network", "n_scalars", "n_outputs", "shape", "count"),
    [
        (N_CNN, 0, 1, (1, 60, 60), 1_671_393),
        (N_CNN, 0, 1, (1, 30, 30), 360_673),
        (ALPHA_CNN, 1, 1, (1, 60, 60), 3_687_522),
        (ALPHA_CNN, 1, 1, (1, 30, 30), 922_722),
        (PEARSON, 0, 3, (1, 57, 57), 2_395_267),
        (PEARSON, 0, 3, (3, 57, 57), 2_398_403),
    ],
)
def test_trainable_parameters_are_the_papers(network, n_scalars, n_outputs, shape, count):
    built = ConvRegressor(shape, **network, n_scalars=n_scalars, n_outputs=n_outputs)
    assert count_parameters(built) == count
    with torch.no_grad():
        scalars = torch.zeros(2, n_scalars) if n_scalars else None
        assert built(torch.rand(2, *shape), scalars).shape == (2, n_outputs)


def test_build_takes_inputs_and_outputs_from_the_spec():
    spec = {"network": ALPHA_CNN, "scalars": ["N"], "targets": ["alpha"]}
    assert count_parameters(build(spec, (1, 60, 60))) == 3_687_522
    without = build(spec | {"scalars": []}, (1, 60, 60))
    assert count_parameters(without) == 3_687_521  # one weight less
    three = {"network": PEARSON, "scalars": [], "targets": ["theta_E", "e1", "e2"]}
    assert count_parameters(build(three, (3, 57, 57))) == 2_398_403


def randomised(network):
    """Weights away from their simple initial values, so that every one of them matters."""
    generator = torch.Generator().manual_seed(3)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network


def test_evaluation_follows_the_printed_layer_order():
    shape = (1, 9, 9)
    network = randomised(
        ConvRegressor(shape, [2, 3], [3, 5], [1], 4, 0.25, n_scalars=1, n_outputs=1)
    ).eval()
    images, scalars = torch.rand(5, *shape) - 0.5, torch.rand(5, 1)

    w = {key: tensor.double() for key, tensor in network.state_dict().items()}
    x = images.double()
    for conv, norm, pad, pool in ((0, 2, 1, True), (5, 7, 2, False)):
        x = functional.conv2d(x, w[f"blocks.{conv}.weight"], w[f"blocks.{conv}.bias"], padding=pad)
        x = x.clamp(min=0)
        mean, var = w[f"blocks.{norm}.running_mean"], w[f"blocks.{norm}.running_var"]
        gain, shift = w[f"blocks.{norm}.weight"], w[f"blocks.{norm}.bias"]
        x = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-3)  # Keras' epsilon
        x = x * gain[:, None, None] + shift[:, None, None]
        if pool:  # 9 -> 4: the odd last row and column are dropped
            x = x[:, :, :8, :8].reshape(5, -1, 4, 2, 4, 2).amax((3, 5))
    x = (x.reshape(5, -1) @ w["dense.weight"].T + w["dense.bias"]).clamp(min=0)
    x = torch.cat((x, scalars.double()), dim=1) @ w["output.weight"].T + w["output.bias"]
    with torch.no_grad():
        torch.testing.assert_close(network(images, scalars).double(), x, rtol=1e-5, atol=0)


def test_running_statistics_move_as_in_keras():
    network = ConvRegressor((1, 8, 8), [2], [3], [1], 4, 0.0, n_scalars=0, n_outputs=1)
    images = torch.rand(64, 1, 8, 8)
    with torch.no_grad():
        network(images)
        batch_mean = network.blocks[1](network.blocks[0](images)).mean((0, 2, 3))
    # Keras: moving = 0.99 moving + 0.01 batch, from 0.
    torch.testing.assert_close(network.blocks[2].running_mean, 0.01 * batch_mean)


def test_initial_weights_are_glorot_uniform():
    network = ConvRegressor((1, 60, 60), **N_CNN, n_scalars=0, n_outputs=1)
    conv = network.blocks[5].weight.detach()  # 16 -> 32 channels, 5x5
    limit = np.sqrt(6 / (25 * (16 + 32)))
    assert 0.99 * limit < conv.abs().max() <= limit
    assert conv.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not network.blocks[5].bias.any()
    assert not network.dense.bias.any()


@pytest.mark.parametrize("p", [0.25, 0.1, 0.8])
def test_dropout_is_bernoulli_and_keeps_the_mean(p):
    """Fraction, independence of neighbours in memory, scale and gradient, in any memory order."""
    torch.manual_seed(4)
    features = torch.rand(50, 8, 30, 30).contiguous(memory_format=torch.channels_last) + 1
    features.requires_grad_()
    out = Dropout(p)(features)
    assert out.stride() == features.stride()
    kept = out != 0
    torch.testing.assert_close(out[kept], features[kept] / (1 - p), rtol=2e-5, atol=0)
    out.sum().backward()
    assert torch.equal(features.grad != 0, kept)
    in_memory = kept.permute(0, 2, 3, 1).flatten().double()
    sigma = (p * (1 - p) / (in_memory.numel() / 4)) ** 0.5
    for lane in range(4):  # of the random words that four decisions are taken from
        assert abs(in_memory[lane::4].mean() - (1 - p)) < 5 * sigma
    deviation = in_memory - (1 - p)
    for step in (1, 2, 3, 4):
        correlation = (deviation[step:] * deviation[:-step]).mean() / (p * (1 - p))
        assert abs(correlation) < 5 / in_memory.numel() ** 0.5
    assert not torch.equal(Dropout(p)(features) != 0, kept)


@pytest.mark.parametrize("p", [0.1, 0.25])
def test_dropout_in_bfloat16_keeps_the_mean(p):
    """The factor 1 / (1 - p) itself, rounded to 8 bits, would be wrong by up to 4e-3."""
    torch.manual_seed(4)
    features = torch.randn(400, 8, 30, 30).exp().bfloat16()
    out = Dropout(p)(features)
    kept = out != 0
    ratio = out[kept].double().sum() / features[kept].double().sum()
    assert ratio.item() == pytest.approx(1 / (1 - p), rel=2e-4)


def test_dropout_zeroes_a_quarter_in_training_only():
    network = ConvRegressor((1, 60, 60), **ALPHA_CNN, n_scalars=0, n_outputs=1)
    images = torch.rand(8, 1, 60, 60)
    with torch.no_grad():
        torch.manual_seed(0)
        network.blocks[0].bias.fill_(1.0)
        network.blocks[2].bias.fill_(10.0)  # nothing is zero but what dropout zeroes
        assert (network.blocks(images) == 0).double().mean().item() == pytest.approx(0.25, abs=0.01)
        assert (network.eval().blocks(images) == 0).sum() == 0


def test_a_scalar_enters_linearly():
    network = ConvRegressor((1, 8, 8), [2], [3], [1], 4, 0.0, n_scalars=1, n_outputs=1).eval()
    images = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        zero, one, three = (network(images, torch.full((3, 1), s)) for s in (0.0, 1.0, 3.0))
    assert not torch.equal(zero, one)
    torch.testing.assert_close(three - zero, 3 * (one - zero), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(one - zero, network.output.weight[:, 4:].expand(3, 1).detach())


def test_evaluation_does_not_depend_on_the_batch(monkeypatch):
    network = ConvRegressor((1, 12, 12), **ALPHA_CNN, n_scalars=0, n_outputs=1)
    images = torch.rand(11, 1, 12, 12)
    whole = evaluate(network, images, None, torch.device("cpu"))
    monkeypatch.setitem(EVALUATION_BATCH, "cpu", 4)
    parts = evaluate(network, images, None, torch.device("cpu"))
    assert whole.shape == (11, 1)
    np.testing.assert_allclose(whole, parts, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kernels": [5, 5]}, "kernels"),
        ({"kernels": [5, 4, 5]}, "odd"),
        ({"pool_after": [1, 4]}, "pool_after"),
        ({"dropout": 1.0}, "dropout"),
        ({"filter": [1]}, "unknown key filter"),
    ],
)
def test_impossible_networks_name_the_key(change, named):
    spec = {"network": N_CNN | change, "scalars": [], "targets": ["N"]}
    with pytest.raises(ValueError, match=named):
        build(spec, (1, 60, 60))


def test_missing_keys_and_small_images_are_named():
    with pytest.raises(ValueError, match="dense, dropout missing"):
        short = {key: N_CNN[key] for key in ("filters", "kernels", "pool_after")}
        build({"network": short}, (1, 60, 60))
    with pytest.raises(ValueError, match="8 pixels at least"):
        build({"network": N_CNN, "scalars": [], "targets": ["N"]}, (1, 7, 60))


def test_files_come_back_and_damage_is_noticed(tmp_path):
    path = tmp_path / "weights.pt"
    values = torch.rand(1000)
    weights.save(path, {"a": values, "b": [1, "text"]})
    assert torch.equal(weights.load(path)["a"], values)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.pt"]
    content = path.read_bytes()
    position = content.index(values.numpy().tobytes())

    flipped = bytearray(content)
    flipped[position + 2000] ^= 1
    for damaged in (content[:-100], content[:50], b"", b"not a file of weights", bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(DataFileError, match=r"weights\.pt"):
            weights.load(path)
    with pytest.raises(DataFileError, match="does not exist"):
        weights.load(tmp_path / "none.pt")


def test_no_bit_of_a_file_of_weights_goes_wrong_in_silence(tmp_path):
    """One bit of every byte, in turn: the file is refused or gives what was saved."""
    path, values = tmp_path / "weights.pt", torch.rand(50)
    weights.save(path, {"a": values, "b": [1, "text"]})
    content, bits = path.read_bytes(), np.random.default_rng(1).integers(8, size=10_000)
    refused = 0
    for k in range(len(content)):
        flipped = bytearray(content)
        flipped[k] ^= 1 << bits[k]
        path.write_bytes(flipped)
        try:
            found = weights.load(path)
        except DataFileError as error:
            refused += "weights.pt" in str(error)
        else:  # in the mark: torch's own checksums hold
            assert torch.equal(found["a"], values) and found["b"] == [1, "text"], k
    assert refused >= len(content) - len(weights._MARK)


def test_older_files_of_weights_are_read_and_their_damage_noticed(tmp_path):
    path, values = tmp_path / "weights.pt", torch.rand(50)
    torch.save({"a": values}, path)
    assert torch.equal(weights.load(path)["a"], values)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")  # of the archive's directory, see PKWARE's APPNOTE 4.3.12
    content[entry + 38] |= 0x10  # external attributes: a folder, of which torch reads nothing
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"weights\.pt is damaged"):
        weights.load(path)
