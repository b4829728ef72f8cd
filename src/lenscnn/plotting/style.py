"""What all figures share: size, colours, the stamp, and how they are saved."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lenscnn.core.storage import atomic_write

PAGE_WIDTH = 6.9
"""Width of a figure [inch]."""

_STAMP_SIZE = 6  # points
_STAMP_LINE = 1.2 * _STAMP_SIZE / 72  # inch

# Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"

SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"

STYLE_FILE = Path(__file__).with_name("paper.mplstyle")

PREVIEW_DPI = 180  # 6.9 inches become 1242 pixels

styled = matplotlib.rc_context(fname=STYLE_FILE)
"""Decorator (for any number of functions): run with the style file, leave the settings alone."""


class _Layout(ConstrainedLayoutEngine):
    """A layout that is the same each time a figure is drawn.

    The last bits of what the solver finds depend on where its objects are in memory, and with them
    the pixels of a text at the edge of one.
    """

    def execute(self, fig):
        """Lay out the panels, and round their positions to 1e-9 of the figure."""
        super().execute(fig)
        for axes in fig.axes:
            left, bottom, width, height = np.round(axes.get_position(original=True).bounds, 9)
            axes.set_position((left, bottom, width, height))
            axes.set_in_layout(True)  # which a position of its own ends


def _wrap(note: str) -> list[str]:
    """Break a stamp into lines that fit the page, each as full as it can be."""
    page = Figure(figsize=(PAGE_WIDTH, 1), dpi=PREVIEW_DPI)
    probe = page.text(0, 0, "", size=_STAMP_SIZE)
    available = 0.99 * page.bbox.width
    lines: list[str] = []
    for word in note.split(" "):
        line = f"{lines[-1]} {word}" if lines else word
        probe.set_text(line)
        if lines and probe.get_window_extent().width <= available:
            lines[-1] = line
        else:
            lines.append(word)
    return lines


def new_figure(height: float, note: str | None) -> Figure:
    """Make an empty figure of page width, with `note` stamped into a margin of its own.

    Parameters
    ----------
    height
        With a stamp of one line [inch]; each further line adds its own height.
    note
        Where the figure comes from (paper and scale), or None for no stamp.
    """
    stamp = [] if note is None else _wrap(note)
    more_lines = _STAMP_LINE * max(0, len(stamp) - 1)
    height += more_lines
    margin = (0.14 + more_lines) / height if stamp else 0
    layout = _Layout(rect=(0, margin, 1, 1 - margin))
    figure = Figure(figsize=(PAGE_WIDTH, height), layout=layout)
    if stamp:
        figure.text(
            0.995,
            0.03 / height,
            "\n".join(stamp),
            size=_STAMP_SIZE,
            color="0.45",
            ha="right",
            va="bottom",
        )
    return figure


@styled
def save(figure: Figure, pdf, png) -> None:
    """Write a figure as PDF and as PNG; the same figure gives the same bytes."""
    with atomic_write(pdf) as path:
        figure.savefig(path, format="pdf", metadata={"CreationDate": None})
    with atomic_write(png) as path:
        figure.savefig(path, format="png", dpi=PREVIEW_DPI)
