"""The claims ledger as a page to read: a data frame in, Markdown out."""

import re

import numpy as np
import pandas as pd

from lenscnn.claims.ledger import CONTRADICTED, VERDICTS
from lenscnn.stats.latex import value_with_error

_LARGEST = 10


def page(
    ledger: pd.DataFrame, readings: dict[str, list[str]], scale: str, note: str, uneven: list[str]
) -> str:
    """Write a ledger as Markdown: a summary, then every claim by paper and section.

    Parameters
    ----------
    ledger
        From `ledger.make_ledger`.
    readings
        Of each paper, what its two readings are called.
    scale
        Of the run.
    note
        What the run was.
    uneven
        Papers whose readings' networks were trained on different numbers of images.
    """
    readings = {paper: [*names, ""][:2] for paper, names in readings.items()}
    lines = [f"# Claims of the papers beside ours, scale `{scale}`", ""]
    if scale != "paper":
        lines += [
            f"**Indicative only: {note}. The papers trained on more images for longer; no number "
            "here is a result, no verdict a judgement of a paper.**",
            "",
        ]
    lines += [
        "*match*: within two combined errors (ours, and half a unit of the last printed digit). "
        "*within tolerance*: not that close, but within the tolerance of its kind "
        "(`docs/explanation/ledger.md`). *better* and *worse*: outside it where lower errors or "
        "gradients nearer 1 tell which; *differs*: outside it where nothing does. *unexplained*: "
        "it is outside, and we do not know why. *satisfied* or not: printed bounds and qualitative "
        "claims. A departure, without a unit, is ours less the printed number, over its error or "
        "its tolerance, whichever is larger. *undecided*: a match, or a bound kept or not, only "
        "because our error "
        "is large. *contradicts itself*: the paper has another number for it elsewhere (†); how "
        "ours compares with this one stands beside it. Our *sigma* is half of the central 68.27 "
        "per cent of predicted less true values of the same images; *sigma_unpaired* is the "
        "standard deviation of predicted less true values of all pairs of images, which seems to "
        "be printed for varied alpha (`docs/explanation/ledger.md`). *(derived)*: not printed, but "
        "computed from printed numbers. *not compared*: ours is of something that the paper does "
        "not have. In brackets the error, in units of the last digits: "
        "0.8911(19) is 0.8911 with an error of 0.0019, over the test images and, where there are "
        "several, the training seeds; triples are Einstein radius, orientation, ellipticity. "
        "*moments*: a Gaussian fit whose mean is outside the sample is none, and the mean and the "
        "standard deviation of the sample take its place.",
        "",
    ]
    lines += ["## Summary", "", *_summary(ledger, readings, uneven)]
    for paper, rows in ledger.groupby("paper", sort=False):
        lines += ["", f"## {paper}"]
        for section, claims in rows.groupby(rows["where"].map(_section), sort=False):
            lines += ["", f"### {section}", "", *_claims(claims, readings[paper])]
    return "\n".join(lines) + "\n"


def _section(where: str) -> str:
    """Return the first place that a claim is printed in."""
    first = re.split("[;,]", where)[0].replace("sections", "section")
    return first[0].upper() + first[1:]


def _summary(ledger: pd.DataFrame, readings: dict[str, list[str]], uneven: list[str]) -> list[str]:
    columns, lines = {}, []
    one, two = (
        pd.to_numeric(ledger[f"departure{end}"]).mask(ledger[f"verdict{end}"] == CONTRADICTED)
        for end in ("", "_2")
    )
    for paper, rows in ledger.groupby("paper", sort=False):
        first, second = readings[paper]
        columns[f"{paper}: {first}"] = rows["verdict"].value_counts()
        columns[f"{paper}: {second}"] = rows["verdict_2"].value_counts()
        both = one[rows.index].notna() & two[rows.index].notna()
        fits = rows["kind"] == "fit"
        for which, remark in (
            (both & fits, " fits to lenses, by which the first was chosen"),
            (both & ~fits & (paper not in uneven), " claims"),
        ):
            chosen = rows.index[which]
            if len(chosen):
                lines.append(
                    f"- Which reading of {paper} explains the print: of {len(chosen)}{remark}, "
                    f"*{first}* is nearer in {(one[chosen] < two[chosen]).sum()} (median "
                    f"departure {one[chosen].median():.2g}), *{second}* in "
                    f"{(two[chosen] < one[chosen]).sum()} ({two[chosen].median():.2g})."
                )
        if paper in uneven and (both & ~fits).any():
            lines.append(
                f"- No other claims can tell: the networks of the two readings of {paper} were "
                "trained on different numbers of images."
            )
        flagged = (rows["contradicts"] != "").sum()
        lines.append(
            f"- {flagged} of the {len(rows)} claims of {paper} have another number elsewhere in "
            "the paper or in its other version (†)."
        )
    counts = pd.DataFrame(columns).reindex(VERDICTS).fillna(0).astype(int)
    counts = counts[(counts > 0).any(axis=1)]
    cells = [[said, *map(str, row)] for said, row in zip(counts.index, counts.values, strict=True)]
    nearer = np.fmin(one, two).dropna().nlargest(_LARGEST)
    largest = []
    for index, departure in nearer.items():
        row, end = ledger.loc[index], "" if one[index] == departure else "_2"
        largest.append([row["id"], row["printed"], _ours(row, end), f"{departure:.2g}"])
    return [
        *_table(["claims", *counts.columns], cells), "", *lines, "",
        "Largest departures, each in the reading that comes nearer:", "",
        *_table(["claim", "printed", "ours", "departure"], largest),
    ]  # fmt: skip


def _claims(rows: pd.DataFrame, readings: list[str]) -> list[str]:
    cells = [describe(row) for _, row in rows.iterrows()]
    second = any(cell[5] or cell[6] for cell in cells)
    heading = ["claim", "printed", "unit", readings[0], "", readings[1], "", "remark"]
    kept = [k for k in range(len(heading)) if second or k not in (5, 6)]
    return _table([heading[k] for k in kept], [[cell[k] for k in kept] for cell in cells])


def describe(row: pd.Series) -> list[str]:
    """Write a row of a ledger as text.

    Returns
    -------
    list of str
        Claim, printed number, unit; ours and the verdict, of both readings; remark.
    """
    dagger = " †" if row["contradicts"] else ""
    contradiction = row["contradicts"] and f"† {row['contradicts']}"
    remarks = contradiction, row["note"], row["reason"], row["reason_2"]
    remark = "; ".join(dict.fromkeys(filter(None, remarks)))
    said = [(_ours(row, end), _said(row, end)) for end in ("", "_2")]
    printed = f"{row['printed']}{dagger}"
    return [row["id"], printed, row["unit"], *(c for pair in said for c in pair), remark]


def _said(row: pd.Series, end: str) -> str:
    verdict, comparison = row[f"verdict{end}"], row[f"comparison{end}"]
    return verdict if verdict == comparison else f"{verdict} ({comparison})"


def _ours(row: pd.Series, end: str) -> str:
    if row[f"ours{end}"] == "":
        return ""
    pairs = zip(row[f"ours{end}"].split("|"), row[f"error{end}"].split("|"), strict=True)
    return ", ".join(_number(float(value), float(error)) for value, error in pairs)


def _number(value: float, error: float) -> str:
    if np.isnan(value):
        return ""
    if error == 0 or np.isnan(error):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return value_with_error(value, error).strip("$")


def _table(heading: list[str], rows: list[list[str]]) -> list[str]:
    rule = "|".join(["---"] * len(heading))
    body = ["| " + " | ".join(cell.replace("|", ", ") for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(heading) + " |", f"|{rule}|", *body]
