"""Tables of limits: errors of networks beside the least possible ones; what observations tell."""

import numpy as np
import pandas as pd

from lenscnn.claims.registry import printed
from lenscnn.papers.pearson2019.limits.metrics import LIMIT
from lenscnn.papers.pearson2019.metrics import ESTIMATED, PARAMETERS
from lenscnn.stats.latex import latex_row, latex_table, rounded, value_with_error

_SYMBOLS = {
    "theta_E": r"$\theta_\mathrm{E}$ [arcsec]",
    "e1": "$e_1$",
    "e2": "$e_2$",
    "ellipticity": "$1 - b/a$",
    "phi": r"$\phi$ [rad]",
}


def limits_table(
    limits: dict[str, pd.DataFrame], networks: dict[str, pd.DataFrame], registry: pd.DataFrame
) -> pd.DataFrame:
    """Lay errors of each view's own network beside their limits.

    Parameters
    ----------
    limits, networks
        By view, from `limits.metrics.summarise` and `limits.metrics.floors`; of a view without
        predictions the latter is empty.
    registry
        From `claims.registry.read_registry`, for what is printed.

    Returns
    -------
    DataFrame
        Columns view, target, n; rms (of the network), printed; limit (of kind `LIMIT`, the rms of
        the images' own), efficiency (limit over rms), printed_efficiency; rms of the other kinds;
        scaled_median, the median limit of the scaled image alone; singular and prior_dominated
        (of that); factor, floor and their errors. nan where there is none.
    """
    rows = []
    for view, frame in limits.items():
        kinds = frame.set_index(["target", "kind"])
        network = networks[view].set_index("target")
        for target in PARAMETERS:
            of = kinds.loc[target]
            rows.append(
                {
                    "view": view,
                    "target": target,
                    "n": of.loc[LIMIT, "n"],
                    "printed": printed(registry, "rms", view, target),
                    "limit": of.loc[LIMIT, "rms"],
                    **{kind: of.loc[kind, "rms"] for kind in of.index if kind != LIMIT},
                    "scaled_median": of.loc["scaled", "median"],
                    "singular": of.loc["scaled", "singular"],
                    "prior_dominated": of.loc["scaled", "prior_dominated"],
                    **(network.loc[target].to_dict() if len(network) else {}),
                }
            )
    table = pd.DataFrame(rows)
    table["efficiency"] = table["limit"] / table["rms"]
    table["printed_efficiency"] = table["limit"] / table["printed"]
    first = ["view", "target", "n", "rms", "printed", "limit", "efficiency", "printed_efficiency"]
    return table[[*first, *(name for name in table if name not in first)]]


def limits_latex(table: pd.DataFrame, run: dict[str, str]) -> str:
    """Write a `limits_table` in LaTeX (needs booktabs); `run` as for `latex_table`."""
    body = []
    for view, rows in table.groupby("view", sort=False):
        body += [r"\midrule"] if body else []
        name = str(view).replace("_", r"\_")
        body.append(latex_row([rf"\multicolumn{{8}}{{l}}{{\texttt{{{name}}}}}"]))
        for row in rows.to_dict("records"):
            body.append(
                latex_row([
                    _SYMBOLS[row["target"]],
                    *(rounded(row[name], 3) for name in ("rms", "printed", "limit")),
                    rounded(row["efficiency"], 2),
                    rounded(row["scaled_median"], 3),
                    value_with_error(row["factor"], row["factor_err"]),
                    value_with_error(row["floor"], row["floor_err"]),
                ])
            )  # fmt: skip
    heading = [
        latex_row(
            ["", "network", "printed", "limit", "efficiency", "image alone", "factor", "floor"]
        )
    ]
    caption = (
        r"Root mean square errors of each view's network (first training seed), what the paper "
        r"prints, and the limit: the root mean square, over the same images, of the error to "
        r"expect of an ideal estimate from each image and from the population's second moments. "
        r"Those of $1 - b/a$ and $\phi$ follow from $e_1$ and $e_2$ and are no limits of their "
        r"own. Efficiency is limit over network. \emph{Image alone}: "
        r"median limit of an unbiased estimate that knows nothing of the population. Factor and "
        r"floor: squared errors of the network are fitted by factor$^2$ limit$^2$ + floor$^2$, "
        r"image by image, with bootstrap errors."
    )
    return latex_table(caption, run, "l" + "c" * 7, heading, body)


def worth_table(
    limits: dict[str, pd.DataFrame], networks: dict[str, pd.DataFrame], pairs: list
) -> pd.DataFrame:
    """Tell what more of an observation is worth: ratios of limits, in information alone.

    Parameters
    ----------
    limits, networks
        As for `limits_table`.
    pairs
        Of texts and views: what is compared, the view that has it, the view that has it not.

    Returns
    -------
    DataFrame
        Columns change, view, beside, target, and ratios view over beside: limit (rms), image
        (median limit of the scaled image alone), network (rms error; nan where one has none).
    """
    rows = []
    for change, view, beside in pairs:
        both = [limits[name].set_index(["target", "kind"]) for name in (view, beside)]
        rms = [networks[name].set_index("target")["rms"] for name in (view, beside)]
        for target in PARAMETERS:
            limit = [frame.loc[(target, LIMIT), "rms"] for frame in both]
            image = [frame.loc[(target, "scaled"), "median"] for frame in both]
            network = [values.get(target, np.nan) for values in rms]
            rows.append({
                "change": change, "view": view, "beside": beside, "target": target,
                "limit": limit[0] / limit[1], "image": image[0] / image[1],
                "network": network[0] / network[1],
            })  # fmt: skip
    return pd.DataFrame(rows)


def worth_latex(table: pd.DataFrame, run: dict[str, str]) -> str:
    """Write a `worth_table` in LaTeX (needs booktabs); `run` as for `latex_table`."""
    body = []
    for change, rows in table.groupby("change", sort=False):
        for kind in ("limit", "network"):
            values = rows.set_index("target")[kind]
            body.append(
                latex_row([str(change), kind, *(rounded(values[name], 2) for name in _SYMBOLS)])
            )
    symbols = [symbol.split(" [")[0] for symbol in _SYMBOLS.values()]
    caption = (
        r"What more of an observation is worth: root mean square errors with it over those "
        r"without, by their limits and by the networks. Below 1 it helps."
    )
    return latex_table(caption, run, "llccccc", [latex_row(["", "", *symbols])], body)


FAILURE = 0.2
"""Error of theta_E over theta_E from which a fit counts as failed."""

ALONE = ("truth_alone", "lenstronomy_blind", "lenstronomy_network")
"""Fits that have no prior. Those of lenstronomy know where the population is, and start there."""


def fits_table(fits: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Summarise fits of each view beside its network and the limit, on the same images.

    Parameters
    ----------
    fits
        By view, as scripts/pearson2019_fits.py writes them.

    Returns
    -------
    DataFrame
        Columns view, estimate (where a fit started, or ``cnn`` of the network itself), target, n,
        rms and median of absolute errors; network, the network's rms error on the same images;
        z_rms, the rms of errors over bounds (of the image alone for fits in `ALONE`); limit, the
        rms bound (of the image alone, or with the population); failed, the fraction of theta_E
        beyond `FAILURE`; not_converged; cpu_seconds (median).
    """
    rows = []
    for view, frame in fits.items():
        cnn = frame[frame["estimate"] == "cnn"].set_index("index")
        for estimate, found in frame.groupby("estimate", sort=False):
            kind = "image" if estimate in ALONE else "informed"
            network = cnn.loc[found["index"]]
            radius = np.abs(found["theta_E"] / found["true_theta_E"] - 1)
            for target in ESTIMATED:
                error, bound = found[target] - found[f"true_{target}"], found[f"{kind}_{target}"]
                rows.append({
                    "view": view, "estimate": estimate, "target": target, "n": len(found),
                    "rms": np.sqrt(np.mean(error**2)), "median": np.median(np.abs(error)),
                    "network": np.sqrt(np.mean((network[target] - network[f"true_{target}"])**2)),
                    "z_rms": np.sqrt(np.mean((error / bound) ** 2)),
                    "limit": np.sqrt(np.mean(bound**2)), "failed": np.mean(radius > FAILURE),
                    "not_converged": 1 - found["converged"].mean(),
                    "cpu_seconds": found["cpu_seconds"].median(),
                })  # fmt: skip
    return pd.DataFrame(rows)


def fits_latex(table: pd.DataFrame, run: dict[str, str]) -> str:
    """Write a `fits_table` in LaTeX (needs booktabs); `run` as for `latex_table`."""
    body = []
    for (view, estimate), rows in table.groupby(["view", "estimate"], sort=False):
        values, first = rows.set_index("target"), rows.iloc[0]
        columns = ("rms", "network", "limit")
        cells = [str(first["n"])]
        cells += [rounded(values.loc[t, c], 3) for t in ESTIMATED for c in columns]
        name = f"{view}: {estimate}".replace("_", r"\_")
        body.append(
            latex_row([name, *cells, rounded(first["failed"], 2), rounded(first["cpu_seconds"], 1)])
        )
    symbols = [_SYMBOLS[name].split(" [")[0] for name in ESTIMATED]
    cells = [cell for symbol in symbols for cell in (symbol, "cnn", "limit")]
    heading = ["", "images", *cells, "failed", "CPU s"]
    caption = (
        r"Root mean square errors of weighted least-squares fits, by where they start, and of "
        r"lenstronomy's particle swarm, each with those of the network (cnn) and the limit on the "
        r"same images. \emph{truth\_alone} knows nothing of the population, lenstronomy where to "
        r"start, the others its second moments. Failed: fraction of Einstein radii "
        r"that are off by more than a fifth."
    )
    return latex_table(caption, run, "l" + "c" * 12, [latex_row(heading)], body)
