"""The papers by name: a third one is a folder beside these and a line here."""

from lenscnn.papers.pearson2019.claims import Pearson2019Results
from lenscnn.papers.scutt.claims import ScuttResults

RESULTS = {"scutt": ScuttResults, "pearson2019": Pearson2019Results}
"""What a run has made of a paper, for the claims on it."""
