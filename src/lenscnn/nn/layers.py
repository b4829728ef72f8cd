"""Layers that torch has not, or not as fast: convolution by Fourier transforms, dropout."""

import torch
from torch import nn

from lenscnn.nn import fft_conv

FOURIER_DEVICES = {"cpu"}
"""Where convolutions in float32 may go by Fourier transforms. Not on a GPU until one has shown that
it is the faster for it (benchmarks/speed measures both)."""

MIN_OPERATION_RATIO = 3
"""How many times fewer operations Fourier transforms must take.

Measured on one thread, which is what the workflow gives a training: with 1.5 times fewer
operations a training runs at 0.9 times the rate of direct sums, with 3.5 times fewer at 1.2 times.
The limit is set between the two. More threads do not help their small products.
"""


class Conv2d(nn.Conv2d):
    """torch's convolution, "same" padding; in float32 by Fourier transforms where they are faster.

    The result is the same but for rounding.
    """

    bias: nn.Parameter  # torch's may have none

    def __init__(self, channels: int, filters: int, kernel: int):
        super().__init__(channels, filters, kernel, padding=kernel // 2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Convolve features (B, channels, H, W) to (B, filters, H, W)."""
        if self._by_fourier(features):
            return fft_conv.convolve(features, self.weight, self.bias)
        return super().forward(features)

    def _by_fourier(self, features) -> bool:
        device = features.device.type
        if device not in FOURIER_DEVICES or features.dtype != torch.float32:
            return False
        if torch.is_autocast_enabled(device):
            return False
        if device == "cuda" and torch.backends.cudnn.allow_tf32:
            return False  # of TF32 torch's convolutions have far more than transforms could save
        what = features.shape, self.out_channels, self.kernel_size[0]
        return MIN_OPERATION_RATIO * fft_conv.operations(*what) < fft_conv.direct_operations(*what)


class Dropout(nn.Dropout):
    """torch's dropout; on a CPU a decision takes 16 random bits and not a random number.

    There torch draws its numbers one by one, which takes three times as long. The fraction of
    features that is dropped is rounded to a multiple of 2^-16.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Drop some of the features, of any shape, without gaps in memory."""
        if features.device.type != "cpu" or not self.training:
            return super().forward(features)
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        bits = torch.empty(-(-features.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = bits.view(torch.int16)[: features.numel()] >= dropped - 2**15
        kept = kept.as_strided(features.shape, features.stride()).to(features.dtype)
        # The factor is not rounded to bfloat16, which would make features 0.2 % too large.
        return (features * kept).mul_(1 / (1 - dropped / 2**16))
