"""What a run has made of each paper, for the claims on it."""

from lenscnn.papers.pearson2019.claims import Pearson2019Results
from lenscnn.papers.scutt.claims import ScuttResults

RESULTS = {"scutt": ScuttResults, "pearson2019": Pearson2019Results}
