"""Optimizers and schedules of the learning rate."""

import math

import torch
from torch import nn

EPSILON = 1e-7
"""Keras' value (torch has 1e-8); neither paper states another."""

WARMUP = 0.1
"""Fraction of all steps in which the rate of a "linear" schedule rises."""


def learning_rate_at(spec: dict, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0 over the whole training."""
    n = spec["epochs"] * steps_per_epoch
    if spec["learning_rate_decay"] == "cosine":
        epochs_done = step // steps_per_epoch
        return spec["learning_rate"] * (1 + math.cos(math.pi * epochs_done / spec["epochs"])) / 2
    if spec["learning_rate_decay"] == "linear":
        rising = WARMUP * n
        return spec["learning_rate"] * min(1, (step + 1) / rising, (n - step) / (n - rising))
    return spec["learning_rate"]


def set_learning_rate(
    optimizer: torch.optim.Optimizer, learning_rate: float | torch.Tensor
) -> None:
    """Set the learning rate; on a GPU in place, where CUDA graphs read it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = learning_rate


def make_optimizer(
    spec: dict, network: nn.Module, rate: float | torch.Tensor, on_gpu: bool
) -> torch.optim.Optimizer:
    """Return the optimizer of a spec; on a GPU one whose steps a CUDA graph can hold."""
    settings = {"lr": rate, "eps": EPSILON}
    if spec["optimizer"] == "adam":
        return torch.optim.Adam(network.parameters(), fused=True, capturable=on_gpu, **settings)
    return (SharedNAdam if on_gpu else torch.optim.NAdam)(network.parameters(), **settings)


class SharedNAdam(torch.optim.Optimizer):
    """torch's NAdam with one count of steps for all weights, for a CUDA graph.

    Inside a graph torch's own counts for each weight apart, in kernels of one number each.

    Parameters
    ----------
    weights
        As for `torch.optim.NAdam`, in one group, all with gradients.
    lr, eps
        As there; what else may be chosen there has its default.
    """

    BETA1, BETA2, MOMENTUM_DECAY = 0.9, 0.999, 4e-3

    def __init__(self, weights, lr: float | torch.Tensor, eps: float):
        super().__init__(weights, {"lr": lr, "eps": eps})
        (group,) = self.param_groups
        for weight in group["params"]:
            self.state[weight] = {name: torch.zeros_like(weight) for name in ("mean", "square")}
        first = group["params"][0]
        self.state[first] |= {"count": first.new_zeros(()), "mu_product": first.new_ones(())}

    @torch.no_grad()
    def step(self) -> None:
        """Take one step, by the gradients that the weights have."""
        (group,) = self.param_groups
        weights, lr = group["params"], group["lr"]
        gradients = [weight.grad for weight in weights]
        means, squares = ([self.state[w][name] for w in weights] for name in ("mean", "square"))
        count, mu_product = (self.state[weights[0]][name] for name in ("count", "mu_product"))
        count += 1
        mu, next_mu = (
            self.BETA1 * (1 - 0.5 * 0.96 ** ((count + k) * self.MOMENTUM_DECAY)) for k in (0, 1)
        )
        mu_product *= mu
        torch._foreach_lerp_(means, gradients, 1 - self.BETA1)
        torch._foreach_mul_(squares, self.BETA2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - self.BETA2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, (-torch.expm1(count * math.log(self.BETA2))).sqrt())
        torch._foreach_add_(roots, group["eps"])
        change = torch._foreach_mul(gradients, -lr * (1 - mu) / (1 - mu_product))
        ahead = torch._foreach_mul(means, -lr * next_mu / (1 - mu_product * next_mu))
        torch._foreach_add_(change, ahead)
        torch._foreach_addcdiv_(weights, change, roots)


def rewind(optimizer: torch.optim.Optimizer) -> None:
    """Set an optimizer's state to that before the first step, in place.

    In place, because a state that is empty when a graph is captured would be created inside the
    graph, that is anew at every replay.
    """
    for state in optimizer.state.values():
        for name, value in state.items():
            value.fill_(1.0 if name == "mu_product" else 0.0)  # a product (NAdam) starts at 1
