"""Figures of Scutt: from small tables to Matplotlib figures."""
