"""Figures of Pearson et al. 2019: from small tables to Matplotlib figures."""
