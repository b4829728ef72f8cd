"""Networks: convolutional blocks, a dense layer, a linear output."""

import numpy as np
import torch
from torch import nn

from lenscnn.nn.layers import Conv2d, Dropout

EVALUATION_BATCH = {"cpu": 256, "cuda": 1024}
"""Images in a batch when no gradient is wanted: enough for speed, little memory."""

_ARCHITECTURE = {"filters", "kernels", "pool_after", "dense", "dropout"}


class ConvRegressor(nn.Module):
    """Convolutional blocks, a dense layer, optional scalars, a linear output.

    A block is: convolution ("same" padding, stride 1), ReLU, batch normalisation, 2x2 max-pooling
    where asked for, dropout where asked for. After the last block: flatten, a dense ReLU layer, the
    scalars concatenated to its output, a linear layer. The networks of both papers are
    instances.

    Both papers trained in Keras and state no initialisation and no batch-norm constants, so what
    they ran with are Keras' defaults, which are not torch's: Glorot-uniform kernels, zero biases,
    batch normalisation with momentum 0.99 (0.01 in torch's meaning of the word) and epsilon 1e-3.
    Pooling drops an odd last row or column in both libraries.

    Parameters
    ----------
    image_shape
        (C, H, W).
    filters, kernels
        Filters and (odd) kernel size in pixels of each convolution.
    pool_after
        Which convolutions, counted from 1, a pooling follows.
    dense
        Units of the dense layer.
    dropout
        Fraction of a block's outputs set to zero in training; 0 for no dropout.
    n_scalars
        Numbers that enter beside the image, before the last layer.
    n_outputs
        Quantities to estimate.

    Raises
    ------
    ValueError
        If the parameters do not make a network; the message names the key.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        filters: list[int],
        kernels: list[int],
        pool_after: list[int],
        dense: int,
        dropout: float,
        n_scalars: int,
        n_outputs: int,
    ):
        super().__init__()
        channels, height, width = image_shape
        if not filters or len(filters) != len(kernels):
            raise ValueError(
                f"network: one kernel for each filter count is needed, but `filters` is "
                f"{list(filters)} and `kernels` is {list(kernels)}"
            )
        if any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"network: `kernels` must be odd to stay centred, not {list(kernels)}")
        if not set(pool_after) <= set(range(1, len(filters) + 1)):
            raise ValueError(
                f"network: `pool_after` counts convolutions from 1 to {len(filters)}, "
                f"not {list(pool_after)}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"network: `dropout` must be in [0, 1), not {dropout}")
        shrink = 2 ** len(set(pool_after))
        if min(height, width) < shrink:
            raise ValueError(
                f"network: images of {height}x{width} pixels are too small for "
                f"{len(set(pool_after))} poolings (`pool_after`): {shrink} pixels at least"
            )
        self.image_shape = tuple(image_shape)
        self.n_scalars = n_scalars
        blocks = []
        for number, (width_out, kernel) in enumerate(zip(filters, kernels, strict=True), start=1):
            blocks += [
                Conv2d(channels, width_out, kernel),
                nn.ReLU(inplace=True),  # the convolution's output is needed nowhere else
                nn.BatchNorm2d(width_out, momentum=0.01, eps=1e-3),
            ]
            if number in pool_after:
                blocks.append(nn.MaxPool2d(2))
            if dropout > 0:
                blocks.append(Dropout(dropout))
            channels = width_out
        self.blocks = nn.Sequential(*blocks)
        # Halving and rounding down n times is dividing by 2^n and rounding down once.
        self.dense = nn.Linear(channels * (height // shrink) * (width // shrink), dense)
        self.output = nn.Linear(dense + n_scalars, n_outputs)
        for layer in self.modules():
            if isinstance(layer, Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        # Convolutions of few channels are 10-35 % faster this way on a CPU, and bfloat16 ones on
        # a GPU need it. Only the memory order changes; weight files load into either.
        # The types of torch do not have this argument.
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, images: torch.Tensor, scalars: torch.Tensor | None = None) -> torch.Tensor:
        """Return outputs (B, n_outputs) of images (B, C, H, W) and scalars (B, n_scalars)."""
        features = self.blocks(images.contiguous(memory_format=torch.channels_last))
        # In float32 even under autocast: bfloat16 keeps 8 bits, too few for N and for an estimate,
        # and on a CPU casting the dense layer's weights takes longer than bfloat16 saves.
        with torch.autocast(images.device.type, enabled=False):
            features = torch.relu(self.dense(features.flatten(1).float()))
            if scalars is not None:
                features = torch.cat((features, scalars), dim=1)
            return self.output(features)


def build(spec: dict, image_shape: tuple[int, int, int]) -> ConvRegressor:
    """Build the network that a training spec asks for, with fresh weights from torch's generator.

    Parameters
    ----------
    spec
        Training spec (see `nn.spec`): ``network`` holds ``filters``, ``kernels``,
        ``pool_after``, ``dense`` and ``dropout``; one input scalar for each of ``scalars``, one
        output for each of ``targets``.
    image_shape
        (C, H, W).

    Raises
    ------
    ValueError
        If a key is missing, unknown or does not make a network.
    """
    network = spec["network"]
    if missing := sorted(_ARCHITECTURE - network.keys()):
        raise ValueError(f"network: {', '.join(missing)} missing from the spec")
    if unknown := sorted(network.keys() - _ARCHITECTURE):
        raise ValueError(
            f"network: unknown key {', '.join(unknown)}; known are {sorted(_ARCHITECTURE)}"
        )
    return ConvRegressor(
        image_shape, **network, n_scalars=len(spec["scalars"]), n_outputs=len(spec["targets"])
    )


def count_parameters(network: nn.Module) -> int:
    """Count the trainable parameters (a batch norm's running mean and variance are not)."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def evaluate(
    network: ConvRegressor,
    images: torch.Tensor,
    scalars: torch.Tensor | None,
    device: torch.device,
) -> np.ndarray:
    """Return the outputs of a network in evaluation mode and float32, batch by batch.

    What float32 means for convolutions on a GPU is `core.devices.set_precision`'s.

    Parameters
    ----------
    network
        On `device`.
    images : Tensor, shape (n, C, H, W)
        On any device.
    scalars : Tensor, shape (n, n_scalars), or None
        Scaled as in training.
    device
        Where the network is.

    Returns
    -------
    ndarray of float64, shape (n, n_outputs)
        In the scaled units of training.
    """
    network.eval()
    outputs, batch = [], EVALUATION_BATCH[device.type]
    with torch.no_grad():
        for start in range(0, len(images), batch):
            rows = slice(start, start + batch)
            extra = None if scalars is None else scalars[rows].to(device)
            outputs.append(network(images[rows].to(device), extra))
    return torch.cat(outputs).double().cpu().numpy()
