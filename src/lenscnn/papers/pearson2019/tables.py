"""Table 1 of pearson2019: data frames in, a data frame and LaTeX out."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from lenscnn.claims.registry import printed
from lenscnn.core.labels import latex_text, split_math
from lenscnn.papers.pearson2019.metrics import MIRRORS, PARAMETERS
from lenscnn.papers.pearson2019.specs import DARK_VIEWS
from lenscnn.stats.latex import latex_row, latex_table, value_with_error
from lenscnn.stats.over_seeds import describe_seeds, error_of_mean, rms_of

_SECTIONS = {
    "removed": "Lens light removed",
    "kept": "Lens light kept",
    f"removed{MIRRORS}": "Lens light removed, mean over mirrored images (not in the paper)",
    f"kept{MIRRORS}": "Lens light kept, mean over mirrored images (not in the paper)",
    "fitted": r"A fitted S\'ersic profile removed (not in the paper)",
    "light": "The shape of the lens light taken for that of the mass (not in the paper)",
}

_PARAMETERS = {
    "theta_E": r"$\theta_\mathrm{E}$ [arcsec]",
    "e1": "$e_1$",
    "e2": "$e_2$",
    "ellipticity": "Ellipticity $1 - b/a$",
    "phi": r"$\phi$ [rad]",
}


def lens_table(
    metrics: dict[str, pd.DataFrame], registry: pd.DataFrame, changed: Collection[str] = ()
) -> pd.DataFrame:
    """Lay RMS errors of each view's own network beside the printed ones (Table 1).

    Parameters
    ----------
    metrics
        Rows of `metrics.evaluate` by view. A view ``<camera>_fitted`` was not trained on:
        its network is that of ``<camera>_removed``. A view ``<camera>_light`` is from
        `metrics.evaluate_light`. Estimates of a view's network averaged over mirrored images
        have rows of their own, where there are any.
    registry
        From `claims.registry.read_registry`, for what is printed.
    changed
        Views that are not as the paper has them: nothing printed is beside them.

    Returns
    -------
    DataFrame
        Columns view, estimate, target, n_seeds, n, rms, rms_err, rms_scatter (these three as in
        `stats.over_seeds.average_seeds`) and printed (nan where the paper has no such number: it
        shows the network each image once, and has other views).

    Raises
    ------
    ValueError
        If a view lacks its network.
    """
    parts = []
    for view, frame in metrics.items():
        camera, _, light = view.rpartition("_")
        once = f"{camera}_removed" if light == "fitted" else view
        prints: dict[str, Any] = {
            once: [
                np.nan if view in changed else printed(registry, "rms", view, name)
                for name in PARAMETERS
            ]
        }
        if (averaged := once + MIRRORS) in set(frame["estimate"]):
            prints[averaged] = np.nan
        for estimate, values in prints.items():
            table = rms_of(frame, estimate, ["target"]).set_index("target").loc[list(PARAMETERS)]
            parts.append(
                table.reset_index().assign(
                    view=view,
                    estimate=estimate,
                    n=table["n"].astype(int).to_numpy(),
                    printed=values,
                )
            )
    columns = ["view", "estimate", "target", "n_seeds", "n", "rms", "rms_err", "rms_scatter"]
    return pd.concat(parts, ignore_index=True)[[*columns, "printed"]]


def lens_latex(table: pd.DataFrame, cameras: dict[str, str], run: dict[str, str]) -> str:
    """Write a `lens_table` in LaTeX, in the layout of the paper's Table 1 (needs booktabs).

    Parameters
    ----------
    table
        From `lens_table`.
    cameras
        Names of the cameras, a column each.
    run
        As `stats.latex.latex_table` takes it.
    """
    mirrored = table["estimate"].str.endswith(MIRRORS)
    sections = table["view"].mask(mirrored, table["view"] + MIRRORS)
    values = map(_cell, table.to_dict("records"), error_of_mean(table, "rms"))
    cells = dict(zip(zip(sections, table["target"], strict=True), values, strict=True))
    body = []
    for light, section in _SECTIONS.items():
        if not sections.isin([f"{camera}_{light}" for camera in cameras]).any():
            continue
        body += [r"\midrule"] if body else []
        body.append(latex_row([rf"\multicolumn{{{len(cameras) + 1}}}{{l}}{{\emph{{{section}}}}}"]))
        for target, label in _PARAMETERS.items():
            row = [cells.get((f"{camera}_{light}", target), "--") for camera in cameras]
            body.append(latex_row([label, *row]))
    heading = [
        latex_row(["", *words]) for words in zip(*map(_two_lines, cameras.values()), strict=True)
    ]
    return latex_table(_caption(table), run, "l" + "c" * len(cameras), heading, body)


def _two_lines(label: str) -> tuple[str, str]:
    """Break the name of a camera for the head of a column: after a comma, or else a space.

    Its math stays in one piece.
    """
    parts = split_math(label)
    parts[1::2] = ["$" * len(math) for math in parts[1::2]]
    text = "".join(parts)
    for mark in (", ", " "):
        if (at := text.find(mark)) >= 0:
            halves = label[:at] + mark.strip(), label[at + len(mark) :]
            return latex_text(halves[0]), latex_text(halves[1])
    return latex_text(label), ""


def _caption(table: pd.DataFrame) -> str:
    counts = sorted(set(table["n"]))
    n = "--".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    caption = (
        rf"Root mean square of predicted minus true parameters over {n} test images, that of "
        r"$\phi$ modulo $\pi$. After each in parentheses its error in the last digits: bootstrap "
        r"over the test images, joined with the error of the mean over training seeds where there "
        r"are several"
    )
    if table["printed"].notna().any():
        caption += r"; then, in parentheses of its own, what the paper prints"
    caption += "."
    if table["view"].isin(DARK_VIEWS).any():
        caption += (
            r" The column of Euclid with a dark current takes that of the text literally, at small "
            r"scales with fewer images than the others."
        )
    if table["view"].str.endswith("_fitted").any():
        caption += (
            r" Networks tested on images less a fitted profile were trained on images less the "
            r"true lens light."
        )
    caption += f" {describe_seeds(table['n_seeds'])}"
    if table["estimate"].str.endswith(MIRRORS).any():
        caption += (
            r" A mean over mirrored images is that of one network's estimates from each test image "
            r"in the eight positions that mirrors give it, the estimates mirrored back; elsewhere, "
            r"as in the paper, the network sees each test image once."
        )
    return caption


def _cell(row: dict, error: float) -> str:
    if np.isnan(row["rms"]):
        return "--"
    ours = value_with_error(row["rms"], error)
    return ours if np.isnan(row["printed"]) else f"{ours} ({row['printed']:.3f})"
