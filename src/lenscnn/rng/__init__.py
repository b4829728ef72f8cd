"""Random numbers that depend on the image and not on who draws it."""
