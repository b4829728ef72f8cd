"""What a survey's detector collects: electrons of sources, sky and dark current."""

from typing import NamedTuple

import numpy as np


class Background(NamedTuple):
    """What a pixel holds without a galaxy in it: mean (electrons) and variance (electrons^2)."""

    mean: float
    variance: float


def electrons(magnitude, zero_point: float, survey: dict, visits: int = 1):
    """Return the electrons that a source of this magnitude leaves in `visits` exposures.

    Parameters
    ----------
    magnitude : array
        AB magnitude.
    zero_point
        AB magnitude of one electron a second.
    survey
        ``exposure``: seconds of one visit.
    visits
        Exposures stacked.
    """
    return 10 ** (-0.4 * (magnitude - zero_point)) * survey["exposure"] * visits


def background(survey: dict, band: str, visits: int = 1) -> Background:
    """Return sky, dark current and read noise of a pixel in a stack of exposures.

    Parameters
    ----------
    survey
        ``exposure`` (s), ``pixel_scale`` (arcsec), ``dark_current`` (electrons/pixel/s),
        ``reads`` and ``read_noise`` (electrons) of one visit, ``bands`` with ``zero_point`` (AB)
        and ``sky`` (AB magnitude per square arcsec).
    band
        Name of one of the bands.
    visits
        Exposures stacked.
    """
    optics = survey["bands"][band]
    sky = electrons(optics["sky"], optics["zero_point"], survey) * survey["pixel_scale"] ** 2
    mean = visits * (sky + survey["dark_current"] * survey["exposure"])
    return Background(mean, mean + visits * survey["reads"] * survey["read_noise"] ** 2)


FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""
