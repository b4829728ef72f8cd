"""What tests of figures share: what has been drawn, and whether it can be read."""

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lenscnn.plotting import style

LOOKS = {
    "vis": {"label": "Euclid VIS", "colour": style.BLUE},
    "r": {"label": "LSST $r$", "colour": style.GREEN},
    "gri": {"label": "LSST $gri$", "colour": style.VERMILION},
}


def lines_of(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def panels_of(figure):
    """Axes with data: a colour bar has a label of its own and is left out."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def texts_overlap(figure):
    """Pairs of visible labels, titles and legends of different panels that cover each other."""
    with matplotlib.rc_context(fname=style.STYLE_FILE):
        FigureCanvasAgg(figure).draw()
    boxes = []
    for axes in figure.axes:
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            if text.get_text():
                boxes.append((text.get_text(), text.get_window_extent()))
    boxes += [(text.get_text(), text.get_window_extent()) for text in figure.texts]
    boxes += [("legend", legend.get_window_extent()) for legend in figure.legends]
    return [
        (a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[:i] if box.overlaps(other)
    ]
