"""Values with errors, and tables, in LaTeX."""

import math

from lenscnn.core.labels import latex_text


def value_with_error(value: float, error: float) -> str:
    """Write a value with its error in brackets, to two digits of the error: 48.8(1.3).

    The error counts in the last digits of the value, or reads as it stands if it is 1 or more.
    A dash where the value is nan; three decimals and no error where there is none.
    """
    if math.isnan(value):
        return "--"
    if math.isnan(error) or error == 0:
        return f"${value:.3f}$"
    error = float(f"{error:.1e}")  # rounding first: 0.0996 has its digits where 0.10 has them
    decimals = max(0, 1 - math.floor(math.log10(error)))
    if error >= 1:
        return f"${value:.{decimals}f}({error:.{decimals}f})$"
    return f"${value:.{decimals}f}({error * 10**decimals:.0f})$"


def rounded(value: float, decimals: int) -> str:
    """Write a value with a number of decimals, or a dash for nan."""
    if math.isnan(value):
        return "--"
    return f"${round(value, decimals) + 0.0:.{decimals}f}$"  # adding 0.0 turns -0.0 into 0.0


def latex_row(cells: list[str]) -> str:
    """Write one row of a LaTeX table."""
    return " & ".join(cells) + r" \\"


def latex_table(
    caption: str, run: dict[str, str], columns: str, heading: list[str], body: list[str]
) -> str:
    """Write a table in LaTeX (needs booktabs); its caption ends with the run and how errors read.

    Parameters
    ----------
    caption, columns
        LaTeX; `columns` as tabular takes it.
    run
        ``paper``, ``scale``, and ``changed``: what is not as the paper has it, or nothing.
    heading, body
        Lines, from `latex_row` or rules.
    """
    paper, scale, changed = (latex_text(run[k]) for k in ("paper", "scale", "changed"))
    reading = "$0.123(45)$ is $0.123$ with an error of $0.045$."
    made = rf"Paper: \texttt{{{paper}}}; scale: \texttt{{{scale}}}{changed}."
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption} {reading} {made}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *heading,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
