"""Convolutions by Fourier transforms against torch's direct ones in double precision."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from lenscnn.nn import fft_conv
from lenscnn.nn.layers import Conv2d
from lenscnn.nn.network import build

# (B, C, H, W), filters, kernel
SHAPES = [
    ((3, 2, 7, 9), 4, 5),  # odd numbers of frequencies
    ((2, 3, 6, 8), 2, 5),  # even ones
    ((2, 3, 10, 7), 5, 11),  # a kernel larger than an image's side
    ((1, 1, 3, 4), 1, 9),
    ((4, 3, 6, 5), 2, 1),
]


def tensors(shape, filters, kernel, dtype=torch.float64):
    sizes = shape, (filters, shape[1], kernel, kernel), (filters,)
    return [torch.randn(size, dtype=dtype, requires_grad=True) for size in sizes]


def direct(images, weight, bias):
    return F.conv2d(images, weight, bias, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize("all_at_once", [set(), {"cpu"}])
@pytest.mark.parametrize(("shape", "filters", "kernel"), SHAPES)
def test_it_is_the_direct_sum_with_its_gradients(monkeypatch, shape, filters, kernel, all_at_once):
    monkeypatch.setattr(fft_conv, "_ALL_AT_ONCE", all_at_once)
    parts = tensors(shape, filters, kernel)
    ours, theirs = fft_conv.convolve(*parts), direct(*parts)
    toward = torch.randn_like(theirs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(output, parts, toward) for output in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shape", "filters", "kernel"), SHAPES)
def test_without_gradients_it_is_the_same_in_less_memory(monkeypatch, shape, filters, kernel):
    parts, saved = tensors(shape, filters, kernel), []
    save = torch.autograd.function.FunctionCtx.save_for_backward
    monkeypatch.setattr(
        torch.autograd.function.FunctionCtx,
        "save_for_backward",
        lambda ctx, *kept: saved.append(sum(one.numel() for one in kept)) or save(ctx, *kept),
    )
    with torch.no_grad():
        without = fft_conv.convolve(*parts)
    torch.testing.assert_close(without, fft_conv.convolve(*parts), rtol=0, atol=1e-12)
    half = (shape[2] + kernel // 2) // 2 + 1
    assert saved[1] == half * saved[0]


@pytest.mark.parametrize("size", [((8, 32, 28, 28), 64, 11), ((8, 64, 14, 14), 128, 7)])
def test_in_single_precision_it_rounds_as_a_direct_sum(size):
    """Of the sums of thousands of products in the network of pearson2019."""
    exact = tensors(*size)
    single = [part.detach().float().requires_grad_() for part in exact]
    toward = torch.randn_like(direct(*exact))

    def rounding(convolve):
        results = []
        for parts, run in ((single, convolve), (exact, direct)):
            output = run(*parts)
            gradients = torch.autograd.grad(output, parts, toward.to(output))
            results.append((output, *gradients))
        return [
            ((one - true).square().mean() / true.square().mean()).sqrt().item()
            for one, true in zip(*results, strict=True)
        ]

    ours, theirs = rounding(fft_conv.convolve), rounding(direct)
    for our, their in zip(ours, theirs, strict=True):
        assert our < max(2 * their, 3e-7)


def test_shapes_that_do_not_fit_are_refused():
    images, weight, bias = tensors((2, 3, 6, 6), 4, 5)
    for wrong in (weight[:, :2], weight[:, :, :4], weight[:, :, :4, :4]):
        with pytest.raises(ValueError, match="3 channels"):
            fft_conv.convolve(images, wrong, bias)


@pytest.mark.parametrize(("shape", "filters", "kernel"), SHAPES)
def test_operations_are_those_that_torch_counts(shape, filters, kernel):
    for convolve, operations in (
        (fft_conv.convolve, fft_conv.operations),
        (direct, fft_conv.direct_operations),
    ):
        with FlopCounterMode(display=False) as counter:
            convolve(*tensors(shape, filters, kernel))
        assert counter.get_total_flops() == operations(shape, filters, kernel)


def convolutions(config, paper, name, pixels):
    network = dict(config[paper]["networks"][name])
    names = {key: network.pop(key) for key in ("targets", "scalars")}
    network = build({"network": network, **names}, (1, pixels, pixels)).eval()
    return network, [layer for layer in network.modules() if isinstance(layer, Conv2d)]


@pytest.mark.parametrize(
    ("paper", "name", "pixels", "expected"),
    [
        ("pearson2019", "cnn", 57, [False, True, True, True, True, True]),
        ("scutt", "n_cnn", 60, [False, False, True]),
        ("scutt", "alpha_cnn", 60, [False]),
    ],
)
def test_large_kernels_of_many_channels_go_that_way(
    config, monkeypatch, paper, name, pixels, expected
):
    network, layers = convolutions(config, paper, name, pixels)
    inputs = torch.rand(16, 1, pixels, pixels), torch.rand(16, network.n_scalars)
    taken = []
    monkeypatch.setattr(
        fft_conv, "convolve", lambda *parts: taken.append(parts[1]) or direct(*parts)
    )
    with torch.no_grad():
        network(*inputs)
    assert [any(layer.weight is one for one in taken) for layer in layers] == expected
    taken.clear()
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            network(*inputs)
            layers[-1](torch.rand(16, layers[-1].in_channels, 15, 15))
        layers[-1].double()(torch.rand(16, layers[-1].in_channels, 7, 7, dtype=torch.float64))
    assert not taken


def test_a_network_is_the_same_either_way(config, monkeypatch):
    network, layers = convolutions(config, "pearson2019", "cnn", 57)
    images = torch.rand(16, 1, 57, 57)
    for layer in layers:
        torch.nn.init.normal_(layer.bias, std=0.1)

    def run():
        network.zero_grad()
        outputs = network(images)
        outputs.square().sum().backward()
        gradients = [one.grad.clone() for layer in layers for one in (layer.weight, layer.bias)]
        return outputs.detach(), *gradients

    ours = run()
    monkeypatch.setattr("lenscnn.nn.layers.MIN_OPERATION_RATIO", torch.inf)
    for one, other in zip(ours, run(), strict=True):
        assert 0 < (one - other).abs().max() < 1e-4 * other.abs().max()


@pytest.mark.parametrize("n", [1, 16])
def test_features_keep_their_channels_last(config, monkeypatch, n):
    """And are no view, which a ReLU in place would not bear."""
    monkeypatch.setattr("lenscnn.nn.layers.MIN_OPERATION_RATIO", 0)
    _, layers = convolutions(config, "pearson2019", "cnn", 57)
    features = torch.rand(n, 32, 28, 28).contiguous(memory_format=torch.channels_last)
    output = torch.relu_(layers[1](features.requires_grad_()))
    (gradient,) = torch.autograd.grad(output.sum(), features)
    for one in (output, gradient):
        assert one.is_contiguous(memory_format=torch.channels_last)
