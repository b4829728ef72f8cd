"""A device to measure on, and contests on it: codes and its arithmetic take turns in rounds."""

import contextlib
import math
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import table
import torch

ROUNDS = 5
REPEATS_GPU = 10  # of the machine's arithmetic, so that clocks are up and launching counts little


class Machine:
    """A device to measure on: its clock, its names and its rate of arithmetic."""

    def __init__(self, device: torch.device):
        self.device = device
        if device.type == "cpu":
            self.clock = time.process_time
            name = f"{cpu_model()}, {torch.backends.cpu.get_cpu_capability()}, one thread"
            unit = "images per CPU-second"
        else:
            self.clock, name, unit = time.perf_counter, torch.cuda.get_device_name(), "images per s"
        self.place = {"device": device.type, "machine": name, "unit": unit}

    def rate(self, n: float, function: Callable, *arguments) -> float:
        """Return `n` over the seconds that a call takes."""
        begun = self.clock()
        function(*arguments)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return n / (self.clock() - begun)

    def arithmetic(self, precision: str) -> dict[str, Callable[[], float]]:
        """Return operations per second in a matrix product and in a convolution.

        Both, since either may be the faster: they are of different libraries.
        """
        on_cpu = self.device.type == "cpu"
        side, width, repeats = (1024, 32, 1) if on_cpu else (8192, 256, REPEATS_GPU)
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        matrix = torch.rand((side, side), device=self.device, dtype=dtype)
        out = torch.empty_like(matrix)
        layer = torch.nn.Conv2d(64, 64, 5, padding=2).to(self.device, dtype)
        pixels = torch.rand((width, 64, 28, 28), device=self.device, dtype=dtype)
        layer.to(memory_format=torch.channels_last)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        n_conv = 2 * 64 * 64 * 25 * pixels[:, 0].numel()

        def multiply():
            for _ in range(repeats):
                torch.mm(matrix, matrix, out=out)

        def convolve():
            with torch.no_grad():
                for _ in range(repeats):
                    layer(pixels)

        def fastest(n, function):
            with all_allowed(tf32=precision == "tf32"):
                return self.rate(repeats * n, function)

        return {
            "matmul": lambda: fastest(2 * side**3, multiply),
            "convolution": lambda: fastest(n_conv, convolve),
        }


@contextlib.contextmanager
def all_allowed(tf32: bool):
    """Let cuDNN choose by timing; with `tf32` matrix products round as convolutions do."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32
    convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32 = True, tf32, tf32
    try:
        yield
    finally:
        convolutions.benchmark, convolutions.allow_tf32, products.allow_tf32 = before


def cpu_model() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def installed(name: str) -> str | None:
    """Return name and version of a package, None (and print a line) if it is not there."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        print(f"{name} is not installed: left out", flush=True)
        return None


def contest(contestants: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Return rates of all by round, after one that warms them up."""
    rounds = [{name: rate() for name, rate in contestants.items()} for _ in range(ROUNDS + 1)]
    return {name: [one[name] for one in rounds[1:]] for name in contestants}


def compare(
    stage: str,
    machine: Machine,
    flop: float,
    rates: dict[str, list[float]],
    peers: dict,
    differences: dict[str, float] | None = None,
    stated: tuple[float, str] | None = None,
) -> list[dict]:
    """Make and print a row for each peer, of the rates in a contest and of what the paper states.

    Parameters
    ----------
    stage
        What was done.
    machine
        Where.
    flop
        Operations that an image needs at the least.
    rates
        By round: of ``ours``, of each peer, of ``matmul`` and ``convolution``.
    peers
        With a key a peer.
    differences
        Between each peer's images and ours, in units of the peak.
    stated
        Seconds that an image took the paper, and its words for it.

    Returns
    -------
    list of dict
        Rows of the table; one without a peer if there is none.
    """
    floors = rates["matmul"], np.maximum(rates["matmul"], rates["convolution"])
    common = stage, machine.place, rates["ours"], flop, *floors
    rows = [table.row(*common, peer, rates[peer], (differences or {}).get(peer, math.nan))
            for peer in peers]  # fmt: skip
    if stated is not None:
        rows.append(table.row(*common, f"the paper: {stated[1]}", 1 / stated[0]))
    rows = rows or [table.row(*common)]
    for one in rows:
        print(f"{one['stage']:52s} {one['ours']:10,.1f}   {one['ratio']:8.2f} x {one['peer']}   "
              f"{one['of_floor']:.2f} of the floor", flush=True)  # fmt: skip
    return rows
