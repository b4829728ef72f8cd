"""Diagrams of networks, drawn from the modules that are trained."""

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from lenscnn.nn.network import ConvRegressor, count_parameters
from lenscnn.plotting.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    new_figure,
    styled,
)

_COLOURS = {
    "Input": "0.85",
    "Convolution": BLUE,
    "Batch normalisation": SKY,
    "Max-pooling": ORANGE,
    "Dropout": YELLOW,
    "Flatten": "0.7",
    "Dense": GREEN,
    "Concatenate": PURPLE,
}


@dataclass(frozen=True)
class Layer:
    """One layer: its name, detail ("5×5, ReLU"), and output shape (H, W, C) or (units,)."""

    name: str
    detail: str
    shape: tuple[int, ...]


def describe(network: ConvRegressor) -> list[Layer]:
    """List the layers of a network, the input first, as one image passes through them.

    Flattening and concatenation are not modules: they show as a change of shape between one
    module's output and the next one's input. An activation is a detail of the layer before it.

    Parameters
    ----------
    network
        Left as it was, on any device.

    Returns
    -------
    list of Layer
    """
    channels, height, width = network.image_shape
    layers = [Layer("Input", "", (height, width, channels))]

    def record(module, inputs, output):
        last = layers[-1]
        received, made = inputs[0].shape[1:], output.shape[1:]
        if isinstance(module, nn.ReLU):
            layers[-1] = Layer(last.name, f"{last.detail}, ReLU", last.shape)
            return
        if isinstance(module, nn.Linear):
            if len(last.shape) == 3:
                layers.append(Layer("Flatten", "", tuple(received)))
            elif last.shape != received:
                scalars = received.numel() - last.shape[0]
                detail = "$N$" if scalars == 1 else f"{scalars} scalars"
                layers.append(Layer("Concatenate", detail, tuple(received)))
            layers.append(Layer("Dense", "linear" if module is last_module else "ReLU", (*made,)))
            return
        name, detail = _name(module)
        layers.append(Layer(name, detail, (*made[1:], made[0])))

    leaves = [module for module in network.modules() if not list(module.children())]
    last_module = leaves[-1]
    hooks = [module.register_forward_hook(record) for module in leaves]
    training, device = network.training, next(network.parameters()).device
    network.eval()
    try:
        with torch.no_grad():
            network(
                torch.zeros(1, *network.image_shape, device=device),
                torch.zeros(1, network.n_scalars, device=device),
            )
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return layers


def _name(module: nn.Module) -> tuple[str, str]:
    match module:
        case nn.Conv2d():
            return "Convolution", "{}×{}".format(*module.kernel_size)
        case nn.BatchNorm2d():
            return "Batch normalisation", ""
        case nn.MaxPool2d():
            return "Max-pooling", f"{module.kernel_size}×{module.kernel_size}"
        case nn.Dropout():
            return "Dropout", f"{module.p:g}"
    raise TypeError(f"no name for a layer of type {type(module).__name__}: add it to _name")


@styled
def architecture_figure(n_cnn: ConvRegressor, alpha_cnn: ConvRegressor, note: str | None) -> Figure:
    """Draw both networks, the estimate of N passing from the upper one to the lower one.

    Parameters
    ----------
    n_cnn, alpha_cnn
        The second takes N beside the image.
    note
        Stamp.
    """
    upper, lower = describe(n_cnn), describe(alpha_cnn)
    slots = max(len(upper), len(lower))
    figure = new_figure(3.5, note)
    axes = figure.subplots()
    axes.set(xlim=(-0.55, slots - 0.45), ylim=(-0.05, 2.65))
    axes.axis("off")
    # Both end at the right margin, where N has its shortest way.
    upper_x = _draw_row(axes, upper, slots, 1.4, rf"$N$-CNN: {_parameters(n_cnn)}")
    lower_x = _draw_row(axes, lower, slots, 0.0, rf"$\alpha$-CNN: {_parameters(alpha_cnn)}")
    entry = lower_x[[layer.name for layer in lower].index("Concatenate")]
    axes.plot([upper_x[-1], upper_x[-1], entry], [1.4, 1.2, 1.2], color=VERMILION)
    axes.annotate(
        "", (entry, 1.0), (entry, 1.2),
        arrowprops={"arrowstyle": "-|>", "color": VERMILION, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    axes.text(entry - 0.15, 1.2, "predicted $N$", color=VERMILION, ha="right", va="center")
    return figure


@styled
def blocks_figure(networks: list[ConvRegressor], note: str | None) -> Figure:
    """Draw a network of many layers: what leaves each block, and the layers of the block.

    Parameters
    ----------
    networks
        The first is drawn; of the others, which differ from it in their bands only, just the
        number of parameters is told.
    note
        Stamp.
    """
    blocks = _blocks(describe(networks[0]))
    tallest = max(map(len, blocks))
    figure = new_figure(0.75 + 0.4 * tallest, note)
    axes = figure.subplots()
    axes.set(xlim=(-0.55, len(blocks) - 0.45), ylim=(-0.05, tallest + 1.2))
    axes.axis("off")
    for x, block in enumerate(blocks):
        for row, layer in enumerate(block, start=1):
            text = "\n".join(filter(None, (layer.name.replace(" ", "\n"), layer.detail)))
            _draw_box(axes, x, tallest - row, 0.9, 0.9, layer, text)
        axes.text(x, tallest + 0.1, _shape(block[-1]), ha="center", va="bottom", size=6.2)
        if x > 0:
            _join(axes, x, 0.1, tallest - 0.55)
    counts = [f"{count_parameters(n):,} for {_bands(n)}" for n in networks]
    axes.text(-0.45, tallest + 0.75, "Trainable parameters: " + ", ".join(counts), ha="left")
    return figure


def _blocks(layers: list[Layer]) -> list[list[Layer]]:
    """Split layers into blocks: a convolution with what belongs to it, or any other layer."""
    blocks = []
    for layer in layers:
        if layer.name in ("Batch normalisation", "Max-pooling", "Dropout"):
            blocks[-1].append(layer)
        else:
            blocks.append([layer])
    return blocks


def _bands(network: ConvRegressor) -> str:
    bands = network.image_shape[0]
    return "1 band" if bands == 1 else f"{bands} bands"


def _parameters(network: ConvRegressor) -> str:
    return f"{count_parameters(network):,} trainable parameters"


def _draw_row(axes: Axes, layers: list[Layer], slots: int, bottom: float, title: str):
    """Draw the layers as boxes of height 1 and return where each is."""
    positions = range(slots - len(layers), slots)
    for x, layer in zip(positions, layers, strict=True):
        text = ", ".join(filter(None, (layer.name, layer.detail))) + f"\n{_shape(layer)}"
        _draw_box(axes, x, bottom, 0.8, 1, layer, text, rotation=90)
        if x > positions[0]:
            _join(axes, x, 0.2, bottom + 0.5)
    axes.text(positions[0] - 0.4, bottom + 1.06, title, ha="left", va="bottom")
    return list(positions)


def _shape(layer: Layer) -> str:
    return " × ".join(f"{n:,}" for n in layer.shape)


def _draw_box(
    axes: Axes, x: float, bottom: float, width: float, height: float, layer: Layer, text: str,
    rotation: float = 0,
) -> None:  # fmt: skip
    """Draw one layer; x is the middle of the box."""
    colour = _COLOURS[layer.name]
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.08",
            mutation_aspect=0.4, facecolor=colour, edgecolor=colour, alpha=0.45, linewidth=0.6,
        )
    )  # fmt: skip
    axes.text(
        x, bottom + height / 2, text, rotation=rotation, ha="center", va="center", size=6.2,
        linespacing=1.4,
    )  # fmt: skip


def _join(axes: Axes, x: float, gap: float, y: float) -> None:
    """Draw a line across the gap between the boxes at x - 1 and at x."""
    axes.annotate(
        "", (x - 0.5 + gap / 2, y), (x - 0.5 - gap / 2, y),
        arrowprops={"arrowstyle": "-", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
