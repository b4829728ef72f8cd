"""How views of pearson2019, ``<camera>_<lens light>``, are drawn."""

import itertools
from collections.abc import Mapping

from lenscnn.plotting.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW

LIGHT = {"removed": ("removed", "--"), "kept": ("kept", "-")}
"""What became of the lens light, and line style."""

_PALETTE = (BLUE, GREEN, VERMILION, ORANGE, PURPLE, SKY, YELLOW)


def look_of(cameras: Mapping[str, dict]) -> dict[str, tuple[str, str]]:
    """Return name and colour of each camera.

    Parameters
    ----------
    cameras
        ``label`` and ``colour`` by camera; None for a colour that is free.
    """
    used = {(camera["colour"] or "").upper() for camera in cameras.values()}
    free = itertools.cycle([colour for colour in _PALETTE if colour not in used] or _PALETTE)
    return {
        name: (camera["label"], camera["colour"] or next(free)) for name, camera in cameras.items()
    }


def camera_and_light(view: str) -> tuple[str, str]:
    """Return the camera of a view, and what became of the lens light."""
    camera, _, light = view.rpartition("_")
    return camera, light
