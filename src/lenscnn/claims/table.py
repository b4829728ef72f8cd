"""The claims ledger as a table in HTML that a browser sorts and filters, without a library."""

from html import escape

import pandas as pd

from lenscnn.claims.page import describe

HEADING = (
    "paper", "where", "claim", "printed", "unit",
    "ours", "verdict", "second reading", "verdict", "remark",
)  # fmt: skip

_SCRIPT = """
(() => {
  const ledger = document.getElementById("ledger"), body = ledger.tBodies[0];
  const rows = [...body.rows], text = rows.map(row => row.textContent.toLowerCase());
  const [words, paper, verdict] = document.querySelectorAll("#ledger-filter > *");
  const shown = document.getElementById("ledger-shown");
  const filter = () => {
    const wanted = words.value.toLowerCase().split(" ");
    rows.forEach((row, k) => {
      const of = [...row.cells].map(cell => cell.textContent);
      row.hidden = !(wanted.every(word => text[k].includes(word))
        && (!paper.value || of[0] === paper.value)
        && (!verdict.value || [of[6], of[8]].some(said => said.startsWith(verdict.value))));
    });
    shown.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} claims`;
  };
  [words, paper, verdict].forEach(one => one.addEventListener("input", filter));
  let sorted = -1;
  [...ledger.tHead.rows[0].cells].forEach((cell, column) => cell.firstChild.onclick = () => {
    const sign = sorted === column ? -1 : 1;
    sorted = sign > 0 ? column : -1;
    const key = row => row.cells[column].textContent;
    rows.slice().sort((a, b) => sign * key(a).localeCompare(key(b), "en", {numeric: true}))
      .forEach(row => body.append(row));
  });
  filter();
})();
"""

_STYLE = """
body { font: 14px/1.4 sans-serif; margin: 1em }
table { border-collapse: collapse }
th, td { border-bottom: 1px solid #ccc; padding: .3em .5em; text-align: left; vertical-align: top }
td:last-child { overflow-wrap: anywhere; min-width: 15em }
th { position: sticky; top: 0; background: #fff }
"""


def table(ledger: pd.DataFrame) -> str:
    """Write a ledger as an HTML table with fields to filter it; a click on a heading sorts.

    Parameters
    ----------
    ledger
        As `ledger.make_ledger` returns it, every entry a text.
    """
    rows = [[row["paper"], row["where"], *describe(row)] for _, row in ledger.iterrows()]
    body = "\n".join(_row("td", map(escape, row)) for row in rows)
    head = _row("th", (f'<button type="button">{word}</button>' for word in HEADING))
    verdicts = sorted({said.partition(" (")[0] for row in rows for said in (row[6], row[8])})
    return (
        '<p id="ledger-filter">'
        '<input type="search" placeholder="words" aria-label="words">'
        f"{_choice('every paper', ledger['paper'].unique())}"
        f"{_choice('every verdict', filter(None, verdicts))}</p>\n"
        '<p id="ledger-shown"></p>\n'
        f'<div class="ledger"><table id="ledger"><thead>{head}</thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>\n<script>{_SCRIPT}</script>\n"
    )


def document(ledger: pd.DataFrame) -> str:
    """Write a ledger as an HTML page of its own."""
    scale = escape(ledger["scale"].iloc[0])
    warning = "" if scale == "paper" else "<p><strong>Indicative only: no result.</strong></p>"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Claims, {scale}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>Claims of the papers beside ours, scale {scale}</h1>\n"
        f"{warning}{table(ledger)}</html>\n"
    )


def _row(tag: str, cells) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _choice(everything: str, words) -> str:
    options = "".join(f"<option>{escape(word)}</option>" for word in words)
    first = f'<option value="">{everything}</option>'
    return f'<select aria-label="{everything}">{first}{options}</select>'
