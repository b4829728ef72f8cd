"""The stamp under figures."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lenscnn.plotting.style import PAGE_WIDTH, PREVIEW_DPI, new_figure, styled

SHORT = "pearson2019, scale paper: 50,000 training images, 20 epochs"
CHANGES = "not as the paper: seeing 0.34 (0.17), bands.VIS.sky 22.35 (21.85), pixel_scale 0.2 (0.1)"


@styled
def draw(note):
    figure = new_figure(2.0, note)
    figure.set_dpi(PREVIEW_DPI)
    axes = figure.add_subplot(xlabel="x", ylabel="y")
    FigureCanvasAgg(figure).draw()
    return figure, axes


@pytest.mark.parametrize("n_changes", [2, 3, 6])
def test_a_long_stamp_is_broken_into_lines_that_fit_the_page(n_changes):
    """As Matplotlib draws it; the panels keep their size, and nothing is lost."""
    note = "; ".join([SHORT, *[CHANGES] * n_changes])
    figure, axes = draw(note)
    (stamp,) = figure.texts
    box, page = stamp.get_window_extent(), figure.bbox
    assert box.x0 >= 0 and box.x1 <= page.x1 and box.y0 >= 0
    lines = stamp.get_text().split("\n")
    assert " ".join(lines) == note and len(lines) > 1
    assert box.y1 <= axes.xaxis.label.get_window_extent().y0
    short, alone = draw(SHORT)
    assert short.get_size_inches().tolist() == [PAGE_WIDTH, 2.0]
    sizes = [one.get_window_extent().size for one in (axes, alone)]
    np.testing.assert_allclose(*sizes, atol=1)  # pixels
    # Each line but the last is fuller than it would be if words had been left over.
    widths = [draw(line)[0].texts[0].get_window_extent().width for line in lines[:-1]]
    assert min(widths) > 0.8 * page.width
