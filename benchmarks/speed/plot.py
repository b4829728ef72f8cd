"""The table of speeds, drawn."""

from pathlib import Path

import numpy as np
import pandas as pd

from lenscnn.core.storage import atomic_write
from lenscnn.plotting import style

# Marker and colour of a peer, by the beginning of its name.
_PEERS = {
    "lenstronomy": ("s", style.ORANGE), "caustics": ("^", style.GREEN),
    "Keras": ("D", style.VERMILION), "the paper": ("x", style.PURPLE),
}  # fmt: skip


@style.styled
def plot(table: pd.DataFrame, path: Path) -> None:
    """Draw the table as a PNG: a panel a machine, a line a stage.

    Parameters
    ----------
    table
        From `table.update`.
    path
        File to write.
    """
    machines = table.groupby("machine", sort=False)
    lines = [rows["stage"].nunique() for _, rows in machines]
    figure = style.new_figure(0.5 + sum(0.22 * n + 0.75 for n in lines), None)
    panels = figure.subplots(len(lines), 1, squeeze=False, height_ratios=lines)[:, 0]
    for panel, (machine, rows) in zip(panels, machines, strict=True):
        stages = list(dict.fromkeys(rows["stage"]))
        place = rows["stage"].map(stages.index)
        own = ~rows["stage"].duplicated()
        spread = np.abs(rows[["ours_least", "ours_most"]].T - rows["ours"])
        panel.errorbar(
            rows["ours"][own], place[own], xerr=spread.loc[:, own], fmt="o", color=style.BLUE,
            markersize=5, label="lenscnn, least to most",
        )  # fmt: skip
        panel.plot(
            rows["floor"][own], place[own], "|", color=style.BLACK, markersize=12,
            label="limit by direct arithmetic",
        )  # fmt: skip
        for name, (marker, colour) in _PEERS.items():
            theirs = rows["peer"].fillna("").str.startswith(name)
            if theirs.any():
                panel.plot(
                    rows["peer_rate"][theirs], place[theirs], marker, color=colour,
                    markersize=4.5, label=name,
                )  # fmt: skip
        panel.set_xscale("log")
        panel.set_yticks(range(len(stages)), stages)
        panel.invert_yaxis()
        panel.grid(axis="x", color="0.9", linewidth=0.5)
        panel.set_axisbelow(True)
        panel.set_xlabel(rows["unit"].iloc[0])
        panel.set_title(machine, loc="left")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6
    )  # fmt: skip
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=style.PREVIEW_DPI)
