"""Configuration of the workflow."""
