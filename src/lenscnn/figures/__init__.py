"""The papers' figures: functions from small tables to Matplotlib figures."""

import os

# Figures are drawn into files. A notebook's back end, which jobs started from it inherit, cannot
# be imported outside it. Before Matplotlib is imported, that is before any module of this package.
os.environ["MPLBACKEND"] = "agg"
