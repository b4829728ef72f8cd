"""Steps of a training replayed from CUDA graphs."""

import warnings
from collections.abc import Callable, Iterable, Iterator

import torch

from lenscnn.nn.optimizers import rewind

GRAPH_STEPS = 16
"""Steps in one replay of a CUDA graph: a GPU is expected to wait between two (not measured yet)."""


def warm_up(step, network, optimizer, batch_size: int, device: torch.device) -> None:
    """Run a few steps, as capturing a CUDA graph requires, and undo all they did.

    They run on a side stream; they choose cuDNN's algorithms and create the optimizer's state.
    The random generators need no undoing: every epoch seeds them.
    """
    fresh = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    network.train()
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side), warnings.catch_warnings():
        # Capturable optimizers warn when they step outside a capture, which is what this is for.
        warnings.filterwarnings("ignore", message=".*capturable=True.*")
        for _ in range(3):
            step(torch.arange(batch_size, device=device))
    torch.cuda.current_stream(device).wait_stream(side)
    network.load_state_dict(fresh)  # copies in place
    rewind(optimizer)


def capture_steps(
    step, learning_rate: torch.Tensor, batch_size: int, device: torch.device
) -> dict[int, Callable]:
    """Capture `step` for many batches and for one as CUDA graphs: by rows taken, most first.

    Capturing records kernels without running them, so it changes no weights. The graphs keep the
    mode, training, that the network is in. What is returned is called with the rows of its batches
    and the learning rate of each, which goes to `learning_rate`, the number that the optimizer
    reads.
    """

    def captured(n_steps: int) -> Callable[[torch.Tensor, torch.Tensor], None]:
        # The graph reads these two.
        rows = torch.zeros(n_steps * batch_size, dtype=torch.int64, device=device)
        rates = torch.zeros(n_steps, device=device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for batch, rate in zip(rows.split(batch_size), rates, strict=True):
                learning_rate.copy_(rate)
                step(batch)

        def replay(block: torch.Tensor, block_rates: torch.Tensor) -> None:
            rows.copy_(block)
            rates.copy_(block_rates)
            graph.replay()

        return replay

    return {n_steps * batch_size: captured(n_steps) for n_steps in (GRAPH_STEPS, 1)}


def split_into_blocks(rows: torch.Tensor, sizes: Iterable[int]) -> Iterator[torch.Tensor]:
    """Cut rows into as many blocks of the first size as there are, of the next, ..., and a rest."""
    for size in sizes:
        whole = len(rows) // size * size
        yield from rows[:whole].view(-1, size)
        rows = rows[whole:]
    if len(rows):
        yield rows
