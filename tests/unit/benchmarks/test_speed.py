"""The table of speeds: operations counted against torch's counter, rows against hand arithmetic."""

import numpy as np
import pandas as pd
import pytest
import table as speed
import torch
from plot import plot
from table import COLUMNS, gaussian_source_flop, sersic_galaxies_flop, update
from torch.utils.flop_counter import FlopCounterMode

from lenscnn.nn.network import build
from lenscnn.nn.operations import network_flop

CPU = {"device": "cpu", "machine": "a CPU", "unit": "images per CPU-second"}
GPU = {"device": "cuda", "machine": "a GPU", "unit": "images per s"}


def spec(filters=(4, 6), kernels=(3, 5), pool_after=(2,), scalars=(), targets=("alpha",)):
    network = {"filters": list(filters), "kernels": list(kernels), "pool_after": list(pool_after),
               "dense": 7, "dropout": 0.25}  # fmt: skip
    return {"network": network, "scalars": list(scalars), "targets": list(targets)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scalars": ["N"], "targets": ["theta_E", "e1", "e2"]},
        {"filters": [3], "kernels": [3], "pool_after": [1]},
        {"filters": [2, 3, 4], "kernels": [7, 3, 3], "pool_after": [1, 2, 3]},
    ],
)
@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 11, 13)])
def test_operations_of_a_network_are_those_that_torch_counts(changes, shape):
    network = build(spec(**changes), shape)
    images, scalars = torch.rand(2, *shape), torch.rand(2, len(spec(**changes)["scalars"]))
    forward, training = network_flop(spec(**changes), shape)
    with FlopCounterMode(display=False) as counter:
        output = network(images, scalars)
    assert counter.get_total_flops() == 2 * forward
    with counter:
        output.sum().backward()
    assert counter.get_total_flops() == 2 * (training - forward)


def test_operations_of_the_scutt_networks(config):
    def flop(name):
        network = dict(config["scutt"]["networks"][name])
        targets, scalars = network.pop("targets"), network.pop("scalars")
        parts = {"network": network, "targets": targets, "scalars": scalars}
        return network_flop(parts, (1, 60, 60))

    first, second, third = 3600 * 16 * 25, 900 * 32 * 16 * 25, 225 * 64 * 32 * 25
    dense = 7 * 7 * 64 * 512
    products = first + second + third + dense + 512
    assert flop("n_cnn") == (2 * products, 6 * products - 2 * first)
    products = 3600 * 8 * 9 + 30 * 30 * 8 * 512 + 513
    assert flop("alpha_cnn")[0] == 2 * products


def test_operations_of_a_simulation_grow_with_what_is_drawn():
    per_pixel = gaussian_source_flop(60, 450) / 3600
    assert per_pixel == pytest.approx(10 * 450, rel=0.05)
    assert gaussian_source_flop(60, 900) - gaussian_source_flop(60, 450) == 10 * 450 * 3600
    one, three = (sersic_galaxies_flop(57, 1, bands) for bands in (1, 3))
    assert one < three < 2 * one
    assert sersic_galaxies_flop(57, 3, 1) - one == pytest.approx(8 * 57**2 * 214)


def test_a_row_pairs_the_rounds():
    row = speed.row(
        "training", CPU, [10, 20, 60], 5e6, [1e8, 1e8, 2e8], [1e8, 2e8, 4e8],
        "Keras 3", [10, 10, 20], 1e-6,
    )  # fmt: skip
    assert tuple(row) == COLUMNS
    assert (row["ours"], row["ours_least"], row["ours_most"]) == (20, 10, 60)
    # Not the quotient of the medians, 2, by chance: of each round.
    assert (row["ratio"], row["ratio_least"], row["ratio_most"]) == (2, 1, 3)
    assert row["floor"] == 40 and row["mflop"] == 5
    assert row["of_floor"] == pytest.approx(0.5)
    assert (row["of_floor_least"], row["of_floor_most"]) == pytest.approx((0.5, 0.75))
    assert row["of_matmul"] == pytest.approx(1.0)


def test_a_stated_rate_is_a_peers_in_every_round():
    row = speed.row("simulation", GPU, [10, 30], 1, [1, 1], [1, 1], "the paper: 4 h", 5.0)
    assert (row["peer_rate"], row["ratio"], row["ratio_least"], row["ratio_most"]) == (5, 4, 2, 6)


def test_a_row_without_a_peer_has_no_ratio():
    row = speed.row("prediction", GPU, [10.0], 1, [1], [1])
    assert row["peer"] == "" and np.isnan(row["ratio"]) and np.isnan(row["peer_rate"])


def rows(place, ours, stages=("simulation", "training")):
    return [speed.row(stage, place, [ours], 1, [50], [50], "Keras 3", [1.0]) for stage in stages]


def test_rows_replace_earlier_ones_of_their_stage_and_machine_only(tmp_path):
    path = tmp_path / "speed.csv"
    update(path, rows(CPU, 3.0))
    update(path, rows(GPU, 100.0))
    table = update(path, rows(CPU, 4.0, ["training"]))
    assert list(zip(table["machine"], table["stage"], table["ours"], strict=True)) == [
        ("a CPU", "simulation", 3), ("a CPU", "training", 4),
        ("a GPU", "simulation", 100), ("a GPU", "training", 100),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(table, pd.read_csv(path))
    assert tuple(table) == COLUMNS


def test_the_plot_is_drawn_with_and_without_peers(tmp_path):
    path = tmp_path / "speed.csv"
    update(path, rows(CPU, 3.0))
    alone = update(path, [speed.row("training", GPU, [100.0, 120.0], 1, [500], [500])])
    plot(alone, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
