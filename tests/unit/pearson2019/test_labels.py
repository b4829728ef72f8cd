"""Labels of the config in LaTeX tables and in figures."""

import copy
import re
from html import unescape

import pandas as pd
import pytest
from docutils.core import publish_parts
from matplotlib.mathtext import MathTextParser

from lenscnn.config.model import check_types
from lenscnn.core.labels import latex_text, rst_text
from lenscnn.papers.config import Config
from lenscnn.papers.pearson2019 import tables
from lenscnn.papers.pearson2019.metrics import PARAMETERS

SPECIAL = r"50% & $g - r$ of _my_ #1 {x} ~ ^ \ <a|b> \$5"
IN_LATEX = (
    r"50\% \& $g - r$ of \_my\_ \#1 \{x\} \textasciitilde{} \textasciicircum{} "
    r"\textbackslash{} \textless{}a\textbar{}b\textgreater{} \$5"
)
RUN = {"paper": "a_b", "scale": "mine", "changed": "; not as the paper: sed_library 50%_& (#{})"}


def heading(labels):
    """Return both lines of the heading of a table with these cameras, cell by cell."""
    rows = [
        {"view": f"{name}_kept", "estimate": name, "target": target, "n_seeds": 1, "n": 9}
        | {"rms": 0.1, "rms_err": 0.01, "rms_scatter": float("nan"), "printed": float("nan")}
        for name in labels
        for target in PARAMETERS
    ]
    lines = tables.lens_latex(pd.DataFrame(rows), labels, RUN).splitlines()
    first = lines.index(r"\toprule") + 1
    return [line.removesuffix(r" \\").split(" & ")[1:] for line in lines[first : first + 2]]


def test_what_latex_would_read_as_its_own_is_escaped():
    assert latex_text(SPECIAL) == IN_LATEX
    assert latex_text("LSST $gri$") == "LSST $gri$"
    assert latex_text(r"$50% \% a_1^2$") == r"$50\% \% a_1^2$"


def test_heads_of_columns_break_outside_of_math():
    cells = heading({"a": "$g - r$ of me", "b": "X_1, dark & deep", "c": "$a, b$", "d": "A&B"})
    assert cells == [
        ["$g - r$", r"X\_1,", "$a, b$", r"A\&B"], ["of me", r"dark \& deep", "", ""],
    ]  # fmt: skip


def mistakes(config, kind, name, label):
    own = copy.deepcopy(config)
    own["pearson2019"][kind][name]["label"] = label
    return check_types(Config, own)


def test_captions_of_the_report_show_labels_as_they_are():
    html = publish_parts(f"cameras {rst_text(SPECIAL)}, {rst_text('vis_')}.", writer="html")
    words = re.sub(r"<[^>]+>", "", html["body"])
    assert unescape(words).split() == [
        *r"""cameras 50% & g − r of _my_ #1 {x} ~ ^ \ <a|b> $5, vis_.""".split()
    ]


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("5$", "has one $ too many"),
        (r"\$5 $x$ $", "has one $ too many"),
        (r"$\nosuch$", "has math that matplotlib does not draw"),
        ("$a_b_c$", "has math that matplotlib does not draw"),
        ("two\nlines", "has a line break"),
    ],
)
@pytest.mark.parametrize("section", ["cameras.vis", "samples.euclid"])
def test_labels_that_cannot_be_drawn_are_refused(config, section, label, told):
    (line,) = mistakes(config, *section.split("."), label)
    assert line.startswith(f"config key pearson2019.{section}.label: ") and told in line


@pytest.mark.parametrize("label", [SPECIAL, r"\$5", "$e^-$", "LSST $gri$", "$a$ and $b_1$", "5 €"])
def test_labels_that_are_accepted_can_be_drawn(config, label):
    assert mistakes(config, "cameras", "vis", label) == []
    MathTextParser("path").parse(label)
