"""The papers' figures: functions from small tables to Matplotlib figures."""
