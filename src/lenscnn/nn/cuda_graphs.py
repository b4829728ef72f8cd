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


def capture_steps(step, batch_size: int, device: torch.device) -> dict[int, Callable]:
    """Capture `step` for many batches and for one as CUDA graphs: by rows taken, most first.

    Capturing records kernels without running them, so it changes no weights. The graphs keep the
    mode, training, that the network is in.
    """

    def captured(size: int) -> Callable[[torch.Tensor], None]:
        rows = torch.zeros(size, dtype=torch.int64, device=device)  # the graph reads them
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for batch in rows.split(batch_size):
                step(batch)

        def replay(block: torch.Tensor) -> None:
            rows.copy_(block)
            graph.replay()

        return replay

    return {size: captured(size) for size in (GRAPH_STEPS * batch_size, batch_size)}


def split_into_blocks(rows: torch.Tensor, sizes: Iterable[int]) -> Iterator[torch.Tensor]:
    """Cut rows into as many blocks of the first size as there are, of the next, ..., and a rest."""
    for size in sizes:
        whole = len(rows) // size * size
        yield from rows[:whole].view(-1, size)
        rows = rows[whole:]
    if len(rows):
        yield rows
