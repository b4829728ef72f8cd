"""Training, its resumption, and prediction: against closed forms, reruns and killed runs."""

import contextlib
import errno
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from conftest import ROOT
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from trainings import SPEC, column, data

from lenscnn.core import devices, storage, weights
from lenscnn.nn import checkpoint
from lenscnn.nn import predict as prediction
from lenscnn.nn import train as training
from lenscnn.nn.cuda_graphs import capture_steps, split_into_blocks
from lenscnn.nn.data import check_origin, label, load_normalised, scale, unscale
from lenscnn.nn.layers import Conv2d
from lenscnn.nn.mirrors import MIRRORED, mirror, mirrored_signs
from lenscnn.nn.network import build, evaluate
from lenscnn.nn.optimizers import EPSILON, SharedNAdam, rewind
from lenscnn.nn.spec import check_spec
from lenscnn.nn.train import save_network
from lenscnn.papers.pearson2019.ellipticity import q_phi_to_e1_e2_pearson
from lenscnn.records import provenance
from lenscnn.records.specs import write_spec
from lenscnn.rng.streams import stream_key

CPU = torch.device("cpu")
N_SPEC = SPEC | {"targets": ["N"], "scalars": []}
BOTH_SPEC = SPEC | {"targets": ["alpha", "N"], "label_range": 10.0, "scalars": []}
KEPT = ["N", "alpha", "subset"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def train(folder, spec=SPEC, sample=None, log=None):
    images, alpha, n_subhaloes = sample or data()
    columns = {"alpha": alpha, "N": n_subhaloes}
    trained = training.train(
        spec,
        images,
        np.column_stack([columns[name] for name in spec["targets"]]),
        n_subhaloes[:, None] if spec["scalars"] else None,
        device=CPU,
        checkpoint=folder / "checkpoint",
        history=folder / "history.jsonl",
        log=(lambda line: None) if log is None else log.append,
    )
    return trained


def without_timings(history):
    return [
        {key: value for key, value in record.items() if key not in ("seconds", "images_per_second")}
        for record in history
    ]


def read_history(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[key], second[key]) for key in first)


def write_shards(folder, subsets=None, n=60, size=12, name="shard"):
    """Two shards of raw images (not scaled to [0, 1])."""
    images, alpha, n_subhaloes = data(n, size, seed=1)
    subset = np.repeat(subsets or ["varied"], n // len(subsets or [1]))
    paths = [folder / f"{name}_{k}.h5" for k in range(2)]
    origin = provenance.collect(SPEC["images"] | {"n": n}, [])
    for path, rows in zip(paths, (slice(0, n // 3), slice(n // 3, n)), strict=True):
        attrs = origin | {"first_row": rows.start}
        columns = {"alpha": alpha[rows], "N": n_subhaloes[rows], "subset": subset[rows]}
        with storage.ImageWriter(path, columns, (1, size, size), attrs) as writer:
            writer.write(50 * images[rows] - 7)
    return paths


def write_rows(path, first, end):
    """A shard that claims to hold these rows of the data set of SPEC."""
    images, alpha, _ = data(end - first, 12)
    attrs = provenance.collect(SPEC["images"], []) | {"first_row": first}
    with storage.ImageWriter(path, {"alpha": alpha}, (1, 12, 12), attrs) as writer:
        writer.write(images)
    return path


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_learns_a_linear_problem(tmp_path, optimizer):
    spec = SPEC | {"optimizer": optimizer, "epochs": 60, "learning_rate": 3e-3}
    spec["network"] = SPEC["network"] | {"dropout": 0.0}
    sample = data(600)
    trained = train(tmp_path, spec, sample)
    history = trained.history
    assert history[-1]["train_loss"] < 0.05 * history[0]["train_loss"]
    # The rows that were not trained on. N or the image alone would leave 0.5 / sqrt(12) = 0.144.
    assert history[trained.best_epoch - 1]["validation_rmse"]["alpha"] < 0.03


@pytest.mark.slow
def test_the_best_epoch_is_kept(tmp_path):
    rng = np.random.default_rng(2)
    images, alpha, n_subhaloes = data()
    sample = images, rng.normal(size=len(alpha)), n_subhaloes  # nothing to learn: it overfits
    spec = SPEC | {"epochs": 30, "learning_rate": 1e-2, "batch_size": 4}
    (tmp_path / "long").mkdir()
    (tmp_path / "short").mkdir()
    trained = train(tmp_path / "long", spec, sample)
    losses = [record["validation_loss"] for record in trained.history]
    assert trained.best_epoch == 1 + int(np.argmin(losses))
    assert 1 < trained.best_epoch < 30
    # Training that ends there has the same weights, and the history before it is the same.
    short = train(tmp_path / "short", spec | {"epochs": trained.best_epoch}, sample)
    assert short.best_epoch == trained.best_epoch
    assert same(short.state_dict, trained.state_dict)
    written = read_history(tmp_path / "long" / "history.jsonl")
    assert written == trained.history
    assert [record["epoch"] for record in written] == list(range(1, 31))


def test_validation_is_what_prediction_gives(tmp_path):
    sample = images, alpha, n_subhaloes = data()
    trained = train(tmp_path, sample=sample)
    save_network(tmp_path / "w.pt", trained, SPEC, images.shape[1:], {})
    network, meta = prediction.load_network(tmp_path / "w.pt", SPEC)
    scalars = n_subhaloes[120:, None]
    predicted = prediction.predict(network, meta, images[120:], scalars, CPU)[:, 0]
    best = trained.history[trained.best_epoch - 1]
    rmse = np.sqrt(np.mean((predicted - alpha[120:]) ** 2))
    assert best["validation_rmse"] == {"alpha": pytest.approx(rmse, rel=1e-5)}
    # The loss is in units of the range of the rows trained on.
    assert rmse == pytest.approx(math.sqrt(best["validation_loss"]) * np.ptp(alpha[:120]), rel=1e-5)
    with pytest.raises(ValueError, match="trained on"):
        prediction.predict(network, meta, images[:, :, :6], scalars, CPU)
    with pytest.raises(ValueError, match="'N'"):
        prediction.predict(network, meta, images, None, CPU)


def test_several_targets_have_a_loss_and_a_scale_each(tmp_path):
    sample = images, alpha, n_subhaloes = data()
    truth = np.column_stack([alpha, n_subhaloes])
    trained = train(tmp_path, BOTH_SPEC, sample)
    save_network(tmp_path / "w.pt", trained, BOTH_SPEC, images.shape[1:], {})
    network, meta = prediction.load_network(tmp_path / "w.pt", BOTH_SPEC)
    predicted = prediction.predict(network, meta, images[120:], None, CPU)
    rmse = np.sqrt(np.mean((predicted - truth[120:]) ** 2, axis=0))
    best = trained.history[trained.best_epoch - 1]
    assert best["validation_rmse"] == {
        "alpha": pytest.approx(rmse[0], rel=1e-5), "N": pytest.approx(rmse[1], rel=1e-5)
    }  # fmt: skip
    # Labels go from 0 to 10 over the rows trained on, and the loss is the mean over both.
    scaled = 10 * rmse / np.ptp(truth[:120], axis=0)
    assert best["validation_loss"] == pytest.approx(np.mean(scaled**2), rel=1e-5)


def test_the_loss_is_over_all_scaled_targets(tmp_path):
    # One epoch of one batch: the loss is that of the initial weights, taken here by hand.
    images, alpha, n_subhaloes = data()
    spec = BOTH_SPEC | {"epochs": 1, "batch_size": 120}
    spec["network"] = SPEC["network"] | {"dropout": 0.0}
    trained = train(tmp_path, spec, (images, alpha, n_subhaloes))
    torch.manual_seed(stream_key(spec["seed"], "training", "", "weights"))
    network = build(spec, images.shape[1:]).train()
    outputs = network(torch.from_numpy(images[:120])).detach().numpy()
    goals = np.column_stack([
        np.interp(label[:120], [label[:120].min(), label[:120].max()], [0, 10])
        for label in (alpha, n_subhaloes)
    ])  # fmt: skip
    assert trained.history[0]["train_loss"] == pytest.approx(
        np.mean((outputs - goals) ** 2), rel=1e-5
    )


def test_learns_several_targets_from_three_bands(tmp_path):
    rng = np.random.default_rng(4)
    values = rng.random((600, 3))  # the brightness of the bands, beside the brightest
    images = np.ones((600, 3, 8, 8), np.float32)
    images[:, :, :, :4] = values[:, :, None, None]
    images[:, 0, 0, 0] = 0.0
    spec = BOTH_SPEC | {"targets": ["theta_E", "e1", "e2"], "optimizer": "nadam", "epochs": 40}
    spec |= {"learning_rate": 3e-3, "network": SPEC["network"] | {"dropout": 0.0}}
    truth = values * [2.0, 0.5, 1.0] - [0.0, 0.2, 0.5]
    trained = training.train(
        spec, images, truth, None, device=CPU, checkpoint=tmp_path / "c",
        history=tmp_path / "h.jsonl", log=lambda line: None,
    )  # fmt: skip
    rmse = trained.history[trained.best_epoch - 1]["validation_rmse"]
    # Always answering the mean leaves a standard deviation, 1 / sqrt(12) of the range.
    for name, width in (("theta_E", 2.0), ("e1", 0.5), ("e2", 1.0)):
        assert rmse[name] < 0.15 * width / math.sqrt(12), name


def test_scaling_is_from_the_rows_trained_on(tmp_path):
    images, alpha, n_subhaloes = data()
    alpha[-1], n_subhaloes[-1] = 99.0, 9999.0  # in the validation part
    trained = train(tmp_path, SPEC | {"epochs": 1}, (images, alpha, n_subhaloes))
    assert trained.scaling == {
        "alpha": (alpha[:120].min(), alpha[:120].max()),
        "N": (n_subhaloes[:120].min(), n_subhaloes[:120].max()),
    }
    scaled = scale(alpha, trained.scaling["alpha"])
    assert scaled[:120].min() == 0
    assert scaled[:120].max() == 1
    np.testing.assert_allclose(unscale(scaled, trained.scaling["alpha"]), alpha)
    with pytest.raises(ValueError, match="alpha is -2.0 in all 120"):
        train(tmp_path, SPEC, (images, np.full(150, -2.0), n_subhaloes))


def test_two_runs_are_the_same_and_other_seeds_are_not(tmp_path):
    runs = {}
    for name, change in {
        "a": {}, "b": {}, "seed": {"seed": 6}, "tf32": {"autocast": "tf32"},
    }.items():  # fmt: skip
        (tmp_path / name).mkdir()
        runs[name] = train(tmp_path / name, SPEC | change)
    assert same(runs["a"].state_dict, runs["b"].state_dict)
    assert without_timings(runs["a"].history) == without_timings(runs["b"].history)
    assert same(runs["a"].state_dict, runs["tf32"].state_dict)  # on a CPU
    assert not same(runs["a"].state_dict, runs["seed"].state_dict)


def test_only_a_checkpoint_of_the_same_training_is_used(tmp_path):
    checkpoint, sample, log = tmp_path / "checkpoint", data(), []
    first = train(tmp_path, sample=sample)
    content = checkpoint.read_bytes()

    again = train(tmp_path, sample=sample, log=log)
    assert same(again.state_dict, first.state_dict)
    assert again.history == first.history  # timings too: nothing was trained
    assert log == [f"goes on after epoch 3 from {checkpoint}"]

    other_seed = SPEC | {"seed": 6}
    other_images = (sample[0].copy(), *sample[1:])
    other_images[0][7, 0, 2, 2] += 0.1
    for damage, spec, used, reason in (
        (content, other_seed, sample, "another spec"),
        (content, SPEC, other_images, "another data"),
        (content[:-1000], SPEC, sample, "damaged"),
        (b"rubbish", SPEC, sample, "damaged"),
    ):
        before = set(tmp_path.iterdir())
        checkpoint.write_bytes(damage)
        log.clear()
        resumed = train(tmp_path, spec, used, log)
        assert log[0].startswith("starts afresh")
        assert reason in log[0]
        assert "checkpoint" in log[0]
        assert len(log) == 4  # and all three epochs were trained
        # What was there is kept, under a name that gives the reason and is in the log.
        (aside,) = set(tmp_path.iterdir()) - before
        assert aside.read_bytes() == damage and str(aside) in log[0]
        assert reason.replace("another ", "other-") in aside.name
        checkpoint.unlink()
        fresh = train(tmp_path, spec, used)
        assert same(resumed.state_dict, fresh.state_dict)


def test_no_checkpoint_of_another_precision_is_used(tmp_path, monkeypatch):
    """As of another kind of processor."""
    spec, log = SPEC | {"autocast": "bfloat16"}, []
    for amx in (False, True):
        monkeypatch.setattr(devices, "has_amx", lambda amx=amx: amx)
        log.clear()
        train(tmp_path, spec, log=log)
    assert log[0].startswith("starts afresh") and "another precision" in log[0]


def test_the_last_epoch_has_a_checkpoint_however_short_the_training(tmp_path):
    """What is left to do, writing the weights, may fail and be repeated."""
    trained = train(tmp_path)
    assert weights.load(tmp_path / "checkpoint")["history"] == trained.history


@pytest.mark.parametrize("module", ["nn/train", "nn/fft_conv", "nn/optimizers", "rng/streams"])
def test_no_checkpoint_of_other_code_is_used(tmp_path, monkeypatch, module):
    train(tmp_path)
    library, log = tmp_path / "lenscnn", []
    shutil.copytree(ROOT / "src/lenscnn", library)
    assert checkpoint.code_digest(library) == checkpoint.CODE_DIGEST
    with open(library / f"{module}.py", "a") as file:
        file.write("# edited\n")
    monkeypatch.setattr(checkpoint, "CODE_DIGEST", checkpoint.code_digest(library))
    train(tmp_path, log=log)
    assert log[0].startswith("starts afresh") and "another code" in log[0]


@pytest.mark.parametrize("fault", [errno.ESTALE, errno.EIO, "mode 000"])
def test_a_checkpoint_that_cannot_be_opened_is_left_as_it_is(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint"
    whole = train(tmp_path)
    content = checkpoint.read_bytes()
    with monkeypatch.context() as patch:
        if fault == "mode 000":
            if os.getuid() != 0:
                pytest.skip("needs root, to be somebody else")
            checkpoint.chmod(0)
            tmp_path.chmod(0o777)
            for folder in tmp_path.parents[:2]:
                folder.chmod(0o755)
            os.seteuid(65534)
        else:
            opened, real = [], Path.read_bytes

            def read_bytes(path):
                if path == checkpoint and not opened:
                    opened.append(path)
                    raise OSError(fault, os.strerror(fault), str(path))
                return real(path)

            patch.setattr(Path, "read_bytes", read_bytes)
        try:
            with pytest.raises(OSError, match="checkpoint"):
                train(tmp_path)
        finally:
            os.seteuid(0)
    checkpoint.chmod(0o600)
    assert checkpoint.read_bytes() == content
    log = []
    assert same(train(tmp_path, log=log).state_dict, whole.state_dict)
    assert log == [f"goes on after epoch 3 from {checkpoint}"]


def test_a_checkpoint_that_the_disk_spoils_does_not_replace_the_last_one(tmp_path, monkeypatch):
    path, real = tmp_path / "checkpoint", Path.read_bytes
    weights.save(path, {"epoch": 1})
    monkeypatch.setattr(Path, "read_bytes", lambda path: bytes(len(real(path))))
    with pytest.raises(storage.DataFileError, match="cannot write .*checkpoint.*check the disk"):
        weights.save(path, {"epoch": 2})
    monkeypatch.undo()
    assert weights.load(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_images_of_other_settings_are_not_trained_on(tmp_path):
    shards = write_shards(tmp_path)
    check_origin(shards, SPEC["images"])
    for part, message in (
        (shards[:1], "shard_0.h5: 20 images, and 60 are expected: delete"),
        ([*shards, write_rows(tmp_path / "more.h5", 60, 70)], "more.h5: 70 images, and 60 are"),
    ):
        with pytest.raises(storage.DataFileError, match=message):
            check_origin(part, SPEC["images"])
    with pytest.raises(storage.DataFileError, match="shard_0.h5: .* with n = 60, and 61 is exp"):
        check_origin(shards, SPEC["images"] | {"n": 61})
    with pytest.raises(storage.DataFileError, match="shard_1.h5: .* begin with row 20, and 0 is"):
        check_origin(shards[::-1], SPEC["images"])
    told = SPEC["images"] | {"view": {"n_pix": 12, "noise": {"snr": 300.0}}}
    with pytest.raises(storage.DataFileError, match="shard_0.h5: .*view.noise = None.*delete"):
        check_origin(shards, told)
    command = [
        sys.executable, str(ROOT / "scripts/train.py"), "--spec",
        write_spec(SPEC | {"images": told}, tmp_path), "--shards", *map(str, shards), "--weights",
        str(tmp_path / "w.pt"), "--history", str(tmp_path / "h"),
        "--checkpoint", str(tmp_path / "c"),
    ]  # fmt: skip
    answer = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert answer.returncode != 0 and "view.noise = None" in answer.stderr
    assert not (tmp_path / "w.pt").exists()


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_bits(tmp_path):
    # The real script, writing a checkpoint after every epoch however short.
    start = (
        "import runpy, lenscnn.nn.train as t; t.CHECKPOINT_SECONDS = 0.0; "
        f"runpy.run_path({str(ROOT / 'scripts' / 'train.py')!r}, run_name='__main__')"
    )
    spec = SPEC | {"epochs": 40, "batch_size": 4, "images": SPEC["images"] | {"n": 150}}
    shards = write_shards(tmp_path, n=150)

    def command(name):
        folder = tmp_path / name
        return [
            sys.executable, "-c", start, "--spec", write_spec(spec, tmp_path),
            "--shards", *map(str, shards), "--weights", str(folder / "w.pt"),
            "--history", str(folder / "h.jsonl"), "--checkpoint", str(folder / "c"),
            "--device", "cpu", "--threads", "1",
        ]  # fmt: skip

    quiet = {"env": environment(), "stderr": subprocess.PIPE, "text": True}
    subprocess.run(command("whole"), check=True, **quiet)

    history = tmp_path / "killed" / "h.jsonl"
    process = subprocess.Popen(command("killed"), **quiet)
    while process.poll() is None:
        if history.exists() and len(read_history(history)) >= 4:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "w.pt").exists()
    assert 4 <= len(read_history(history)) < 40
    resumed = subprocess.run(command("killed"), check=True, **quiet)
    assert "goes on after epoch" in resumed.stderr

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first, second = (weights.load(folder / "w.pt") for folder in (whole, killed))
    assert same(first["state_dict"], second["state_dict"])
    for key in ("best_epoch", "scaling", "spec", "image_shape"):
        assert first[key] == second[key]
    assert without_timings(read_history(whole / "h.jsonl")) == without_timings(
        read_history(history)
    )
    assert len(read_history(history)) == 40
    # The checkpoint is gone, and no temporary file was left.
    assert {p.name for p in killed.iterdir()} == {"w.pt", "h.jsonl"}


@pytest.mark.parametrize("n", [3, 14, 15, 14 * 16, 480, 14 * 16 * 2, 14 * 15])
def test_replays_of_graphs_take_every_batch_once_and_in_order(monkeypatch, n):
    """And each batch with its learning rate."""

    class Graph:
        """Replays by reading again the rows and rates that steps were captured with."""

        def __init__(self):
            self.batches, self.rates = [], []

        def replay(self):
            replays.append(len(self.batches))
            seen.extend(batch.tolist() for batch in self.batches)
            rates_seen.extend(rate.item() for rate in self.rates)

    class LearningRate:
        def copy_(self, rate):
            capturing[0].rates.append(rate)

    @contextlib.contextmanager
    def capture(graph):
        capturing.append(graph)
        yield
        capturing.clear()

    def step(rows):
        capturing[0].batches.append(rows)

    def step_at(rows, rates):
        replays.append(0)
        seen.append(rows.tolist())
        rates_seen.append(rates.item())

    capturing, replays, seen, rates_seen = [], [], [], []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    advance = capture_steps(step, LearningRate(), 14, CPU)
    order = torch.randperm(n)
    rates, done = torch.rand(-(-n // 14)), 0
    for rows in split_into_blocks(order, advance):
        n_steps = -(-len(rows) // 14)
        advance.get(len(rows), step_at)(rows, rates[done : done + n_steps])
        done += n_steps
    assert seen == [batch.tolist() for batch in order.split(14)]
    assert rates_seen == rates.tolist()
    assert replays == [16] * (n // 224) + [1] * (n % 224 // 14) + [0] * (n % 14 > 0)


OPTIMIZERS = {
    "adam": torch.optim.Adam, "nadam": torch.optim.NAdam, "shared_nadam": SharedNAdam,
}  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_rewound_optimizer_is_a_fresh_one(optimizer):
    def path(prepare):
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        chosen = OPTIMIZERS[optimizer]([weight], lr=0.1, eps=EPSILON)
        prepare(weight, chosen)
        for k in range(5):
            weight.grad = torch.tensor([1.0, -3.0, 0.5]) + k
            chosen.step()
        return weight.detach()

    def use_and_rewind(weight, chosen):
        weight.grad = torch.full((3,), 7.0)
        chosen.step()
        chosen.step()
        rewind(chosen)
        with torch.no_grad():
            weight.copy_(torch.tensor([1.0, -2.0, 3.0]))

    assert torch.equal(path(use_and_rewind), path(lambda weight, chosen: None))


def descend(optimizer, steps):
    """Steps by noisy gradients, large for some of the weights and small for others."""
    for k in steps:
        torch.manual_seed(k)
        for size, weight in zip((1e-6, 1.0, 1e3), optimizer.param_groups[0]["params"], strict=True):
            weight.grad = size * (weight.detach() + torch.randn(weight.shape))
        optimizer.step()


def some_weights():
    torch.manual_seed(6)
    shapes = (3, 2, 5, 5), (7,), (4, 6)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]


def test_nadam_with_one_count_is_torchs():
    ours, theirs = some_weights(), some_weights()
    for make, those in ((SharedNAdam, ours), (torch.optim.NAdam, theirs)):
        descend(make(those, lr=1e-2, eps=EPSILON), range(300))
    for a, b, start in zip(ours, theirs, some_weights(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-6)
        assert (a - start).abs().median() > 0.1


def test_nadam_with_one_count_goes_on_from_a_file(tmp_path):
    whole, stopped, resumed = some_weights(), some_weights(), some_weights()
    settings = {"lr": 1e-2, "eps": EPSILON}
    descend(SharedNAdam(whole, **settings), range(70))
    optimizer = SharedNAdam(stopped, **settings)
    descend(optimizer, range(40))
    weights.save(tmp_path / "checkpoint", {"optimizer": optimizer.state_dict()})
    optimizer = SharedNAdam(resumed, **settings)
    optimizer.load_state_dict(weights.load(tmp_path / "checkpoint")["optimizer"])
    for weight, reached in zip(resumed, stopped, strict=True):
        weight.data.copy_(reached)
    descend(optimizer, range(40, 70))
    assert all(torch.equal(a, b) for a, b in zip(resumed, whole, strict=True))


def test_labels_follow_their_images_into_the_mirror():
    # The reference is the shape of the mirrored image itself: its second moments.
    x, y = np.meshgrid(np.arange(41) - 20.0, np.arange(41) - 20.0)
    phi, q = np.array([0.3, 1.2, 2.0, 2.9]), np.array([0.5, 0.7, 0.4, 0.9])
    u = x * np.cos(phi)[:, None, None] + y * np.sin(phi)[:, None, None]
    v = y * np.cos(phi)[:, None, None] - x * np.sin(phi)[:, None, None]
    images = torch.from_numpy(np.exp(-(u**2 + (v / q[:, None, None]) ** 2) / 50))[:, None]

    def shape(images):
        image = images[:, 0].numpy()
        xx, yy, xy = ((image * w).sum((1, 2)) for w in (x * x, y * y, x * y))
        return np.column_stack([(xx - yy) / (xx + yy), 2 * xy / (xx + yy)])

    labels = np.column_stack(q_phi_to_e1_e2_pearson(q, phi))
    np.testing.assert_allclose(shape(images), labels, atol=1e-3)
    signs = torch.tensor([MIRRORED["e1"], MIRRORED["e2"]])
    for chosen in itertools.product([False, True], repeat=3):
        rows = torch.tensor([chosen] * 4)
        seen = mirror(images, rows)
        factors = mirrored_signs(signs, rows).numpy()
        np.testing.assert_allclose(shape(seen), factors * shape(images), atol=1e-12)
    noise = torch.from_numpy(np.random.default_rng(1).random((8, 2, 5, 5)))
    every = torch.tensor(list(itertools.product([False, True], repeat=3)))
    seen = mirror(noise, every)
    assert torch.equal(seen[0], noise[0])
    eight = mirror(noise[:1].repeat(8, 1, 1, 1), every).numpy()
    assert len({image.tobytes() for image in eight}) == 8


def oriented(n=400, size=9, seed=3):
    """Images of elongated blobs, all but along the x axis, and their e1, e2."""
    rng = np.random.default_rng(seed)
    phi, q = rng.uniform(-0.3, 0.3, n) % np.pi, rng.uniform(0.4, 0.9, n)
    x, y = np.meshgrid(np.arange(size) - size // 2, np.arange(size) - size // 2)
    u = x * np.cos(phi)[:, None, None] + y * np.sin(phi)[:, None, None]
    v = y * np.cos(phi)[:, None, None] - x * np.sin(phi)[:, None, None]
    images = np.exp(-(u**2 + (v / q[:, None, None]) ** 2) / 8).astype(np.float32)[:, None]
    return images, np.column_stack(q_phi_to_e1_e2_pearson(q, phi))


def test_a_mirrored_training_knows_orientations_it_was_never_shown(tmp_path):
    images, labels = oriented()
    spec = SPEC | {"targets": ["e1", "e2"], "scalars": [], "label_range": 10.0, "epochs": 20}
    spec["network"] = SPEC["network"] | {"dropout": 0.0}
    unseen = torch.from_numpy(np.ascontiguousarray(images.swapaxes(2, 3)))
    errors = {}
    for on in (False, True):
        trained = training.train(
            spec | {"mirror": on}, images, labels, None,
            device=CPU, checkpoint=tmp_path / f"{on}", history=tmp_path / "h", log=lambda _: None,
        )  # fmt: skip
        network = build(spec, (1, 9, 9))
        network.load_state_dict(trained.state_dict)
        outputs = evaluate(network, unseen, None, CPU) / 10
        e1 = unscale(outputs[:, 0], trained.scaling["e1"])
        errors[on] = np.sqrt(np.mean((e1 + labels[:, 0]) ** 2))
    assert errors[True] < errors[False] / 2


def rates_taken(folder, spec):
    """The learning rate of every step of a training, and those in its history."""
    taken = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: taken.append(optimizer.param_groups[0]["lr"])
    )
    trained = train(folder, spec)
    hook.remove()
    return taken, column(trained, "learning_rate")


def rates_of(make_schedule, n):
    """The first `n` rates of one of torch's schedules, from 2e-3 on."""
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=2e-3)
    schedule, rates = make_schedule(optimizer), []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_the_learning_rate_follows_a_cosine(tmp_path):
    spec = SPEC | {"epochs": 4, "learning_rate": 2e-3, "learning_rate_decay": "cosine"}
    expected = rates_of(lambda opt: torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4), 4)
    taken, in_history = rates_taken(tmp_path, spec)
    np.testing.assert_allclose(in_history, expected)
    np.testing.assert_allclose(taken, np.repeat(expected, len(taken) // 4))


def test_a_linear_rate_rises_over_a_tenth_of_the_steps_and_falls_to_zero(tmp_path):
    # 120 rows to train on: 8 steps an epoch, 80 in all; torch's own schedules are the reference.
    def rise_and_fall(optimizer):
        rise, fall = (
            torch.optim.lr_scheduler.LinearLR(optimizer, start, end, total_iters=n)
            for start, end, n in ((1 / 8, 1.0, 7), (1.0, 1 / 72, 71))
        )
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[8])

    spec = SPEC | {"epochs": 10, "learning_rate": 2e-3, "learning_rate_decay": "linear"}
    expected = rates_of(rise_and_fall, 80)
    taken, in_history = rates_taken(tmp_path, spec)
    np.testing.assert_allclose(taken, expected)
    assert max(taken) == pytest.approx(2e-3)
    np.testing.assert_allclose(in_history, expected[::8])


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_linear_rate_never_exceeds_the_largest(tmp_path, epochs):
    """Where the rise ends between two steps."""
    spec = SPEC | {"epochs": epochs, "batch_size": 40, "learning_rate_decay": "linear"}
    taken, _ = rates_taken(tmp_path, spec)
    assert len(taken) == 3 * epochs and 0 < min(taken) and max(taken) <= SPEC["learning_rate"]


@pytest.mark.slow
def test_a_training_stops_where_validation_has_stopped_falling(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    spec, log = SPEC | {"epochs": 60, "learning_rate": 3e-2}, []
    for folder in ("whole", "patient"):
        (tmp_path / folder).mkdir()
    losses = column(train(tmp_path / "whole", spec), "validation_loss")
    best = np.minimum.accumulate(losses)
    since = [epoch - int(np.argmin(losses[: epoch + 1])) for epoch in range(60)]
    last = since.index(4) + 1  # the first epoch that comes four after the best so far
    assert last < 60
    patient = train(tmp_path / "patient", spec | {"patience": 4}, log=log)
    assert column(patient, "validation_loss") == losses[:last]
    assert patient.best_epoch == last - 4
    assert min(losses[:last]) == best[last - 1]
    assert log[-1].startswith(f"stops after epoch {last}: ")
    # Its checkpoint is a finished training: nothing is trained on.
    again = train(tmp_path / "patient", spec | {"patience": 4})
    assert again.history == patient.history


@pytest.mark.parametrize(
    ("device", "name", "amx", "precision"),
    [
        ("cpu", "bfloat16", True, "bfloat16"),
        ("cpu", "bfloat16", False, "float32"),
        ("cpu", "tf32", True, "float32"),
        ("cpu", "float32", True, "float32"),
        ("cuda", "bfloat16", False, "bfloat16"),
        ("cuda", "tf32", False, "tf32"),
    ],
)
def test_precision_of_a_training(monkeypatch, device, name, amx, precision):
    monkeypatch.setattr(devices, "has_amx", lambda: amx)
    assert devices.training_precision(name, torch.device(device)) == precision


@pytest.mark.parametrize("amx", [False, True])
def test_provenance_tells_kinds_of_cpu_apart(monkeypatch, amx):
    monkeypatch.setattr(devices, "has_amx", lambda: amx)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert devices.device_name(CPU) == ("cpu (AVX2, AMX)" if amx else "cpu (AVX2)")


def test_bfloat16_rounds_convolutions_and_nothing_else(tmp_path, monkeypatch):
    """In bfloat16 a CPU trains on features of 8 bits; dense layers keep float32's 24."""
    monkeypatch.setattr(devices, "has_amx", lambda: True)
    seen = {}

    def record(layer, inputs, output):
        if layer.training:
            seen[type(layer)] = inputs[0].dtype, output.dtype

    hook = torch.nn.modules.module.register_module_forward_hook(record)
    exact = train(tmp_path, SPEC)
    assert {types for pair in seen.values() for types in pair} == {torch.float32}
    (tmp_path / "rounded").mkdir()
    rounded = train(tmp_path / "rounded", SPEC | {"autocast": "bfloat16"})
    hook.remove()
    assert seen[Conv2d][1] == torch.bfloat16
    assert seen[torch.nn.Linear] == (torch.float32, torch.float32)
    # The first epoch's loss differs by rounding, 2^-9 relative in each feature.
    first = [column(trained, "train_loss")[0] for trained in (exact, rounded)]
    assert first[0] != first[1]
    assert first[1] == pytest.approx(first[0], rel=2e-2)


def test_dead_units_leave_no_subnormal_numbers(tmp_path, monkeypatch, request):
    """Moments of units that no image reaches end at zero; the weights are the same bits."""
    networks = []

    def remember(spec, shape):
        networks.append(build(spec, shape))
        return networks[-1]

    def let_units_die(optimizer, args, kwargs):
        with torch.no_grad():  # after the first step, so that their moments are not zero
            networks[-1].dense.bias[:8] = -1e3

    def train_in(folder):
        """Train for more steps than 0.9^k takes to pass 1e-38; count moments below that."""
        folder.mkdir()
        trained = train(folder, SPEC | {"epochs": 130})
        state = weights.load(folder / "checkpoint")["optimizer"]["state"]
        moments = torch.cat([state[k]["exp_avg"].flatten() for k in state]).abs()
        return trained, int(((moments > 0) & (moments < torch.finfo().tiny)).sum())

    monkeypatch.setattr(training, "build", remember)
    request.addfinalizer(register_optimizer_step_post_hook(let_units_die).remove)
    flushed, without = train_in(tmp_path / "flushed")
    assert torch.tensor([1e-40]) * 0.5 > 0  # only a training flushes them
    monkeypatch.setattr(devices, "flush_subnormals", contextlib.nullcontext)
    kept, with_them = train_in(tmp_path / "kept")
    assert (without, with_them > 8) == (0, True)
    assert same(flushed.state_dict, kept.state_dict)


def test_a_diverging_training_says_where(tmp_path):
    with pytest.raises(FloatingPointError, match="not finite in epoch 1 .*lower `learning_rate`"):
        train(tmp_path, SPEC | {"learning_rate": 1e30})


def test_impossible_specs_name_the_key(tmp_path):
    for change, named in (
        ({"label_range": 0.0}, "label_range"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"autocast": "float16"}, "`autocast` is 'float16'; it can be .*tf32"),
        ({"learning_rate_decay": "step"}, "learning_rate_decay"),
        ({"epochs": 0}, "epochs"),
        ({"patience": 0}, "patience"),
        ({"epoch": 1}, "unknown key epoch"),
        ({"validation_fraction": 0.0}, "validation_fraction"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
    ):
        with pytest.raises(ValueError, match=named):
            train(tmp_path, SPEC | change)
    for targets in ("alpha", [], ["alpha", "alpha"]):
        with pytest.raises(ValueError, match="`targets` is a list"):
            check_spec(SPEC | {"targets": targets})
    with pytest.raises(ValueError, match="what becomes of phi in a mirror"):
        check_spec(SPEC | {"mirror": True, "targets": ["theta_E", "phi"]})
    with pytest.raises(ValueError, match="seed missing"):
        train(tmp_path, {key: value for key, value in SPEC.items() if key != "seed"})


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "has_nvidia_gpu", lambda: False)
    assert devices.resolve_device("cpu").type == "cpu"
    assert devices.resolve_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="config key `device` is 'cuda'.*install.*device: cpu"):
        devices.resolve_device("cuda")
    with pytest.raises(ValueError, match="'gpu'"):
        devices.resolve_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.resolve_device("auto").type == "cuda"


@pytest.mark.parametrize(
    ("autocast", "rounded"), [("float32", False), ("tf32", True), ("bfloat16", True)]
)
def test_only_convolutions_are_rounded_and_only_where_the_spec_says(
    tmp_path, monkeypatch, autocast, rounded
):
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    spec, sample = SPEC | {"autocast": autocast, "epochs": 1}, data()

    def start_anew():
        convolutions.allow_tf32 = products.allow_tf32 = True
        devices.resolve_device("cuda")
        assert not convolutions.allow_tf32 and not products.allow_tf32

    start_anew()
    trained = train(tmp_path, spec, sample)
    assert convolutions.allow_tf32 == rounded and not products.allow_tf32
    start_anew()
    save_network(tmp_path / "w.pt", trained, spec, sample[0].shape[1:], {})
    network, meta = prediction.load_network(tmp_path / "w.pt")
    prediction.predict(network, meta, sample[0], sample[2][:, None], CPU)
    assert convolutions.allow_tf32 == rounded and not products.allow_tf32


@pytest.mark.parametrize(
    ("device", "cuda", "gpu", "problem"),
    [
        ("cuda", None, False, "build without CUDA"),
        ("auto", None, True, "build without CUDA"),  # a GPU would lie idle
        ("cuda", "12.8", True, "sees no CUDA device"),
        ("auto", None, False, None),
        ("auto", "12.8", True, "sees no CUDA device"),
        ("auto", "12.8", "granted", "sees no CUDA device"),  # by Slurm, with no device file
        ("cpu", None, True, None),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_an_error_where_it_was_to_be_used(
    monkeypatch, device, cuda, gpu, problem
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(devices, "has_nvidia_gpu", lambda: gpu is True)
    monkeypatch.setenv("SLURM_JOB_GPUS", "0" if gpu == "granted" else "")
    if problem is None:
        assert devices.resolve_device(device).type == "cpu"
    else:
        with pytest.raises(ValueError, match=f"{problem}.*install a torch built for"):
            devices.resolve_device(device)


def test_images_are_scaled_and_bad_ones_named(tmp_path, monkeypatch):
    monkeypatch.setattr("lenscnn.nn.data.NORMALISE_ROWS", 7)  # chunks that fit neither shard
    paths = write_shards(tmp_path)
    images, labels = load_normalised(paths, "image")
    raw = 50 * data(60, 12, seed=1)[0] - 7
    low, high = raw.min((1, 2, 3), keepdims=True), raw.max((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(images, (raw - low) / (high - low), atol=1e-6)
    np.testing.assert_array_equal(labels["N"], data(60, 12, seed=1)[2])

    spoilt = raw[33].copy()
    spoilt[0, 5, 5] = np.inf
    for image, what in ((spoilt, "a number that is not finite"), (7.0, "one value throughout")):
        with h5py.File(paths[1], "r+") as file:  # as no writer of ours would
            file["images"][13] = image
            file.pop("checksums", None)  # which would tell, too
        named = rf"shard_1\.h5 .*image 13 .*{what}.*delete"
        with pytest.raises(storage.DataFileError, match=named):
            load_normalised(paths, "image")
    with pytest.raises(storage.DataFileError, match="no label 'beta'"):
        label(labels, "beta", paths[0])
    assert list(label(labels, "subset", paths[0])) == ["varied"] * 60


@pytest.fixture
def trained_pair(tmp_path):
    """Weights of a network for N and of one for alpha, and test shards."""
    shards = write_shards(tmp_path, ["varied", "alpha-1.6", "alpha-2.4"], name="test")
    images, labels = load_normalised(shards, "image")
    for spec in (N_SPEC, SPEC):
        (target,) = spec["targets"]
        (tmp_path / target).mkdir()
        sample = images, labels["alpha"], labels["N"]
        trained = train(tmp_path / target, spec | {"epochs": 1}, sample)
        path = tmp_path / f"{target}.pt"
        save_network(path, trained, spec, images.shape[1:], {})
    return tmp_path, shards


def predict(folder, target, n_from, shards, out, images=SPEC["images"], n_settings=None):
    spec = {"alpha": SPEC, "N": N_SPEC, "both": BOTH_SPEC}[target]
    return subprocess.run(
        [
            sys.executable, str(ROOT / "scripts" / "predict.py"),
            "--weights", str(folder / f"{target}.pt"), "--spec", write_spec(spec, folder),
            "--shards", *map(str, shards), "--n-from", str(n_from), "--keep", *KEPT,
            "--n-settings", write_spec(n_settings, folder), "--images", write_spec(images, folder),
            "--out", str(out),
            "--device", "cpu", "--threads", "1",
        ],
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip


def test_images_of_other_settings_are_not_predicted_on(trained_pair):
    folder, shards = trained_pair
    told = SPEC["images"] | {"population": {"seed": 2}}
    answer = predict(folder, "N", "none", shards, folder / "other.h5", told)
    assert answer.returncode != 0
    assert "test_0.h5: its images were made with population.seed = 1, and 2 is exp" in answer.stderr
    assert not (folder / "other.h5").exists()


@pytest.mark.slow
def test_predictions_of_alpha_take_the_predicted_n(trained_pair):
    folder, shards = trained_pair
    images, labels = load_normalised(shards, "image")
    assert predict(folder, "N", "none", shards, folder / "n.h5").returncode == 0
    counts, attrs = storage.read_h5(folder / "n.h5")
    assert (attrs["target"], attrs["unit"]) == ("N", "dimensionless")
    assert set(counts) == {"true", "predicted", "N", "alpha", "subset"}
    assert json.loads(attrs["spec"])["training"] == N_SPEC
    np.testing.assert_array_equal(counts["true"], labels["N"])
    np.testing.assert_array_equal(counts["subset"], labels["subset"])

    made = {"training": N_SPEC, "images": SPEC["images"], "target": "N", "n_from": "none"}
    done = predict(folder, "alpha", folder / "n.h5", shards, folder / "a.h5", n_settings=made)
    assert done.returncode == 0, done.stderr
    arrays, attrs = storage.read_h5(folder / "a.h5")
    assert attrs["target"] == "alpha"
    np.testing.assert_array_equal(arrays["true"], labels["alpha"].astype(np.float32))
    np.testing.assert_array_equal(arrays["N"], labels["N"])

    # The network's scalar by hand: its weight times the difference of the scaled N.
    network, meta = prediction.load_network(folder / "alpha.pt", SPEC)
    with_truth = prediction.predict_shards(network, meta, shards, "truth", KEPT, CPU)
    slope = network.output.weight[0, -1].item() * np.ptp(meta["scaling"]["alpha"])
    difference = slope * (counts["predicted"] - labels["N"]) / np.ptp(meta["scaling"]["N"])
    np.testing.assert_allclose(arrays["predicted"] - with_truth["predicted"], difference, atol=2e-6)
    assert np.abs(difference).max() > 1e-3

    wrong = predict(folder, "alpha", "none", shards, folder / "b.h5")
    assert wrong.returncode == 1
    assert "'none'" in wrong.stderr
    assert not (folder / "b.h5").exists()


def test_predictions_of_several_targets_are_columns(trained_pair):
    folder, shards = trained_pair
    images, labels = load_normalised(shards, "image")
    trained = train(folder, BOTH_SPEC, (images, labels["alpha"], labels["N"]))
    save_network(folder / "both.pt", trained, BOTH_SPEC, images.shape[1:], {})
    done = predict(folder, "both", "none", shards, folder / "both.h5")
    assert done.returncode == 0, done.stderr
    arrays, attrs = storage.read_h5(folder / "both.h5")
    assert attrs["target"].split() == ["alpha", "N"]
    assert len(attrs["unit"].split()) == 2
    true = np.column_stack([labels["alpha"], labels["N"]]).astype(np.float32)
    np.testing.assert_array_equal(arrays["true"], true)
    np.testing.assert_array_equal(arrays["subset"], labels["subset"])
    network, meta = prediction.load_network(folder / "both.pt")
    whole = prediction.predict(network, meta, images, None, CPU)
    np.testing.assert_allclose(arrays["predicted"], whole, rtol=1e-5)


def test_predictions_of_n_for_other_images_are_refused(trained_pair):
    folder, shards = trained_pair
    network, meta = prediction.load_network(folder / "alpha.pt")
    _, labels = load_normalised(shards, "image")
    good = {"predicted": labels["N"] + 1, "N": labels["N"], "subset": labels["subset"]}
    path = folder / "n.h5"

    def use(arrays, target="N"):
        storage.write_h5(path, arrays, {"target": target})
        prediction.predict_shards(network, meta, shards, str(path), KEPT, CPU)

    use(good)
    for bad, reason in (
        (good | {"N": good["N"][::-1]}, "other images"),
        (good | {"subset": good["subset"][::-1]}, "other images"),
        ({key: values[:-1] for key, values in good.items()}, "other images"),
        ({key: np.append(values, values[-1]) for key, values in good.items()}, "61 predictions"),
    ):
        with pytest.raises(storage.DataFileError, match=rf"n\.h5 holds .*{reason}"):
            use(bad)
    with pytest.raises(storage.DataFileError, match="no predictions of N"):
        use(good, target="alpha")


def test_wrong_weights_name_the_file(trained_pair):
    folder, _ = trained_pair
    path = folder / "alpha.pt"
    with pytest.raises(storage.DataFileError, match=r"alpha\.pt .*another spec: seed is 5.* 6"):
        prediction.load_network(path, SPEC | {"seed": 6})
    with pytest.raises(storage.DataFileError, match=r"checkpoint lacks"):
        prediction.load_network(folder / "alpha" / "checkpoint", SPEC)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(storage.DataFileError, match=r"alpha\.pt is damaged"):
        prediction.load_network(path, SPEC)
