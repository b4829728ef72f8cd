"""The claims ledger as a table in HTML."""

from html.parser import HTMLParser

import pandas as pd
from conftest import ROOT

from lenscnn.claims.table import HEADING, document


class Cells(HTMLParser):
    """Texts of a page's cells, row by row."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def ledger():
    path = ROOT / "paper_figures/paper/claims.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_every_claim_of_the_ledger_is_a_row():
    claims = ledger()
    heading, *rows = Cells(document(claims)).rows
    assert tuple(heading) == HEADING and {len(row) for row in rows} == {len(HEADING)}
    assert [row[2] for row in rows] == list(claims["id"])
    assert [row[1] for row in rows] == list(claims["where"])
    for row, verdict in zip(rows, claims["verdict"], strict=True):
        assert row[6].startswith(verdict)


def test_what_a_claim_says_is_text_and_not_markup():
    claims = ledger().iloc[:1].assign(note="<script>alert()</script> & more", reason="")
    page = document(claims)
    assert "<script>alert" not in page
    assert "<script>alert()</script> & more" in Cells(page).rows[1][-1]


def test_a_ledger_of_a_smaller_scale_says_that_it_is_no_result():
    claims = ledger()
    assert "no result" not in document(claims)
    assert "no result" in document(claims.assign(scale="quick (indicative only)"))
