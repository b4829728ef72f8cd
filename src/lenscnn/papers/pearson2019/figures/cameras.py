"""What views of pearson2019, ``<camera>_<lens light>``, are called and how they are drawn."""

from lenscnn.plotting.style import BLUE, GREEN, VERMILION

CAMERAS = {
    "vis": ("Euclid VIS", BLUE),
    "r": ("LSST $r$", GREEN),
    "gri": ("LSST $gri$", VERMILION),
}
"""Name and colour."""

LIGHT = {"removed": ("removed", "--"), "kept": ("kept", "-")}
"""What became of the lens light, and line style."""
