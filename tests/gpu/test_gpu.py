"""What a GPU does, against what the CPU does: pytest tests/gpu/test_gpu.py, on a bare machine.

Nothing is imported here, nor by way of `conftest` and `test_training`, but what simulation and
training themselves need: a GPU machine may have neither Snakemake nor lenstronomy.
"""

import numpy as np
import pytest
import torch
from trainings import SPEC, column, data

from lenscnn.core import devices
from lenscnn.nn import fft_conv, layers
from lenscnn.nn import train as training
from lenscnn.nn.data import scale
from lenscnn.nn.layers import Dropout
from lenscnn.nn.network import build, evaluate
from lenscnn.papers.pearson2019.images import images_of
from lenscnn.papers.pearson2019.scene import render_scene
from lenscnn.papers.scutt import images
from lenscnn.papers.scutt import population as scutt

pytestmark = pytest.mark.gpu


@pytest.fixture
def gpu():
    return devices.resolve_device("cuda")


@pytest.mark.parametrize("law", ["powerlaw", "decades"])
@pytest.mark.parametrize("name", ["fixed", "varied"])
def test_scutts_images_are_the_cpus(population, view, gpu, law, name):
    """Of lenses with subhaloes by the hundred and one without any."""
    spec = population(law, name)
    lenses = scutt.draw_lenses(spec, "gpu", np.arange(12), None)
    lenses["N"][1] = 0
    for draw in (images.scene, images.simulate):
        here = draw(spec, view(name, supersampling=2), lenses)
        there = draw(spec, view(name, supersampling=2), lenses, gpu)
        assert there.device.type == "cuda"
        assert (here - there.cpu()).abs().max() < 1e-5


@pytest.fixture
def survey(config):
    """A sample of pearson2019 as its `images` and `detection` take it."""
    paper = config["pearson2019"]
    lsst = {"name": "lsst", **paper["surveys"]["lsst"]}
    return {"seed": 1, "draw": "lsst", "survey": lsst, "scene": paper["scene"]}


@pytest.fixture
def lenses():
    n, rng = 16, np.random.default_rng(9)
    limits = {
        "theta_E": (0.6, 2), "q": (0.3, 1), "phi": (-3, 3), "center_x": (-0.2, 0.2),
        "center_y": (-0.2, 0.2), "source_x": (-0.4, 0.4), "source_y": (-0.4, 0.4),
        "source_R_sersic": (0.1, 0.6), "lens_R_sersic": (0.4, 1.5),
    }  # fmt: skip
    for galaxy in ("source", "lens"):
        limits |= {f"{galaxy}_n_sersic": (1, 6), f"{galaxy}_q": (0.25, 1), f"{galaxy}_phi": (-3, 3)}
    columns = {name: rng.uniform(*ends, n) for name, ends in limits.items()}
    columns |= {f"magnitude_source_{band}": np.full(n, 24.0 + k) for k, band in enumerate("gri")}
    columns |= {f"magnitude_lens_{band}": np.full(n, 20.0 - k) for k, band in enumerate("gri")}
    return {"index": np.arange(n)} | columns


def test_galaxies_are_the_cpus(survey, lenses, gpu):
    arguments = survey["survey"], survey["scene"], lenses
    here = render_scene(*arguments, with_lens_light=True)
    there = render_scene(*arguments, gpu, with_lens_light=True)
    for a, b in zip(here[:2], there[:2], strict=True):
        assert bool(((a - b.cpu()).abs().amax((1, 2, 3)) < 1e-4 * a.amax((1, 2, 3))).all())


def test_a_gpu_takes_the_same_images(survey, lenses, gpu):
    """Light to rounding; a photon more or less where rounding passes an integer."""
    view = {"bands": ["i", "r", "g"], "visits": 1, "lens_light": "removed"}
    here = images_of(survey, "test", view, lenses)
    there = images_of(survey, "test", view, lenses, gpu).cpu()
    assert (here - there).abs().max() < 3
    assert (here - there).abs().mean() < 0.1


def train(folder, spec, device, log=lambda line: None):
    images, alpha, n_subhaloes = data(600)  # of which 480 are trained on
    return training.train(
        spec, images, alpha[:, None], n_subhaloes[:, None], device=torch.device(device),
        checkpoint=folder / "checkpoint", history=folder / "history.jsonl", log=log,
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
@pytest.mark.parametrize("autocast", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("decay, mirror", [("none", False), ("cosine", True)])
def test_a_gpu_trains_like_a_cpu(tmp_path, optimizer, autocast, decay, mirror):
    # Of 480 rows 32 batches are replayed in two blocks, two alone, and 4 rows have no graph.
    spec = SPEC | {"optimizer": optimizer, "autocast": autocast, "epochs": 4, "batch_size": 14}
    spec |= {"learning_rate_decay": decay, "mirror": mirror}
    spec["network"] = SPEC["network"] | {"dropout": 0.0}
    for folder in ("cpu", "cuda", "short"):
        (tmp_path / folder).mkdir()
    on_cpu, on_gpu = (train(tmp_path / device, spec, device) for device in ("cpu", "cuda"))
    exact = autocast == "float32"
    # Rounding alone moves these losses by up to 2e-3.
    np.testing.assert_allclose(
        column(on_gpu, "train_loss"), column(on_cpu, "train_loss"), rtol=5e-3 if exact else 5e-2
    )
    # And those of validation by up to 3e-2, for running statistics are young: so the same weights.
    images, alpha, n_subhaloes = data(600)
    network = build(spec, images.shape[1:])
    network.load_state_dict(on_gpu.state_dict)
    extra = scale(n_subhaloes[480:, None], on_gpu.scaling["N"]).astype(np.float32)
    outputs = evaluate(
        network, torch.from_numpy(images[480:]), torch.from_numpy(extra), torch.device("cpu")
    )
    goals = scale(alpha[480:], on_gpu.scaling["alpha"])
    loss = column(on_gpu, "validation_loss")[on_gpu.best_epoch - 1]
    assert loss == pytest.approx(np.mean((outputs[:, 0] - goals) ** 2), rel=1e-4 if exact else 1e-2)
    # An epoch's order and weights do not depend on how many epochs follow.
    short = train(tmp_path / "short", spec | {"epochs": 1}, "cuda")
    assert column(short, "train_loss")[0] == pytest.approx(
        column(on_gpu, "train_loss")[0], rel=1e-4 if exact else 1e-2
    )


def test_a_gpu_follows_a_linear_rate(tmp_path):
    spec = SPEC | {"learning_rate_decay": "linear", "epochs": 4, "batch_size": 3}
    spec["network"] = SPEC["network"] | {"dropout": 0.0}
    trained = []
    for device in ("cpu", "cuda"):
        (tmp_path / device).mkdir()
        trained.append(train(tmp_path / device, spec, device))
    for name, rtol in (("learning_rate", 1e-6), ("train_loss", 5e-2)):
        np.testing.assert_allclose(*(column(one, name) for one in trained), rtol=rtol)


def test_convolutions_by_fourier_transforms_are_the_direct_sums(gpu):
    shapes = (8, 32, 28, 28), (64, 32, 11, 11), (64,)
    parts = [torch.randn(shape, device=gpu, requires_grad=True) for shape in shapes]
    ours, exact = fft_conv.convolve(*parts), [part.detach().double().cpu() for part in parts]
    exact = [part.requires_grad_() for part in exact]
    theirs = torch.nn.functional.conv2d(*exact, padding=5)
    toward = torch.randn_like(ours)
    found = ours, *torch.autograd.grad(ours, parts, toward)
    true = theirs, *torch.autograd.grad(theirs, exact, toward.double().cpu())
    for one, other in zip(found, true, strict=True):
        assert (one.cpu() - other).abs().max() < 2e-6 * other.abs().max()


def test_a_gpu_can_train_by_fourier_transforms(tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "FOURIER_DEVICES", {"cpu", "cuda"})
    monkeypatch.setattr(layers, "MIN_OPERATION_RATIO", 0)  # so that they are always few enough
    spec = SPEC | {"epochs": 2, "batch_size": 14}
    spec["network"] = SPEC["network"] | {"dropout": 0.0}
    losses = []
    for device in ("cpu", "cuda"):
        (tmp_path / device).mkdir()
        losses.append(column(train(tmp_path / device, spec, device), "train_loss"))
    np.testing.assert_allclose(*losses, rtol=5e-3)


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_a_stopped_training_goes_on(tmp_path, monkeypatch, optimizer):
    """Optimizer and dropout included: without either, losses would change by 3e-3 and more."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    spec = SPEC | {"optimizer": optimizer, "epochs": 6, "batch_size": 14}
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    whole = train(tmp_path / "whole", spec, "cuda")

    def stop(line):
        if line.startswith("epoch 3/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", spec, "cuda", stop)
    lines = []
    resumed = train(tmp_path / "stopped", spec, "cuda", lines.append)
    assert lines[0].startswith("goes on after epoch 3")
    np.testing.assert_allclose(
        column(resumed, "train_loss"), column(whole, "train_loss"), rtol=1e-3
    )


def test_dropout_in_a_graph_is_drawn_anew_and_can_be_repeated(gpu):
    features = torch.ones(64, 8, 30, 30, device=gpu)
    layer = Dropout(0.25)
    layer(features)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = layer(features)

    def replay():
        graph.replay()
        return out.clone()

    torch.manual_seed(1)
    first, second = replay(), replay()
    torch.manual_seed(1)
    again = replay()
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    assert (first == 0).double().mean().item() == pytest.approx(0.25, abs=0.005)
