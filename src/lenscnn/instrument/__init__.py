"""Surveys and detectors: electrons, background, noise."""
