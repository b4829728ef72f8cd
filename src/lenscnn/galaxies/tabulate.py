"""Colours and K-corrections of a library of SEDs, through a survey's filters."""

import numpy as np

from lenscnn.galaxies.interpolation import bracket
from lenscnn.galaxies.photometry import REFERENCE, ColourError, Photometry
from lenscnn.galaxies.seds import SED, SEDError

REDSHIFTS = np.arange(121) / 20
"""Redshifts of the table: 0 to 6 in steps of 0.05."""

_FAINTEST = 1e-10  # of the brightest band: 25 magnitudes stand for no flux at all


def load_filters(names) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Load wavelength (nm) and response of filters, by their names in speclite.

    Raises
    ------
    ColourError
        If speclite does not have one.
    """
    from speclite.filters import load_filter

    filters = {}
    for name in names:
        try:
            loaded = load_filter(name)
        except ValueError as error:
            raise ColourError(
                f"speclite cannot load a filter {name!r} ({error}): take one of "
                "https://speclite.readthedocs.io/en/latest/filters.html, or the path of a file "
                "that speclite.filters.FilterResponse.save wrote"
            ) from None
        filters[name] = loaded.wavelength / 10, np.asarray(loaded.response)
    return filters


def _band_weights(wavelength, z: float, band: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return weights, one a wavelength, whose sum over F_lambda is the AB flux in a band.

    AB flux: the photons of the SED, moved to redshift z, over those of F_nu = 1, in units where
    the speed of light is 1. F_lambda keeps its height when it is moved: it cancels in colours.
    Trapezoids over the wavelengths of SED and filter together, both linear in between.
    """
    observed = wavelength * (1 + z)
    inside = (observed > band[0]) & (observed < band[-1])
    grid = np.union1d(observed[inside], band)
    step = np.gradient(grid)
    step[[0, -1]] /= 2
    photons = step * np.interp(grid, band, response) * grid
    photons /= np.sum(photons / grid**2)
    right, t = bracket(observed, grid)
    n = len(observed)
    return np.bincount(right - 1, photons * (1 - t), n) + np.bincount(right, photons * t, n)


def _check_coverage(sed: SED, redshift: np.ndarray, filters: dict) -> None:
    low = min(band[0] for band, _ in filters.values()) / (1 + redshift[-1])
    high = max(band[-1] for band, _ in filters.values()) / (1 + redshift[0])
    if sed.wavelength[0] > low or sed.wavelength[-1] < high:
        raise SEDError(
            f"{sed.source} spans {sed.wavelength[0]:g} to {sed.wavelength[-1]:g} nm, but "
            f"{', '.join(filters)} at z = {redshift[0]:g} to {redshift[-1]:g} need "
            f"{low:.1f} to {high:.1f} nm: if its wavelengths are in another unit convert them "
            "to nm, else use an SED that reaches as far"
        )


def tabulate(seds: list[SED], names, redshift: np.ndarray = REDSHIFTS) -> Photometry:
    """Tabulate colours and K-corrections of SEDs at redshifts.

    Parameters
    ----------
    seds
        At least one. Those that follow one another on the same wavelengths take less time.
    names
        Of filters in speclite; `REFERENCE` is put first if it is not among them.
    redshift : ndarray, shape (n_z,)
        Increasing.

    Raises
    ------
    SEDError
        If an SED does not cover the bands at rest and all redshifts, or has no flux in any of them.
    ColourError
        If speclite does not have a filter.
    """
    filters = load_filters(names if REFERENCE in names else [REFERENCE, *names])
    reference = list(filters).index(REFERENCE)
    colours = np.empty((len(seds), len(redshift), len(filters)), np.float32)
    k_correction = np.empty((len(seds), len(redshift)), np.float32)
    wavelength = None
    for row, sed in enumerate(seds):
        if wavelength is None or not np.array_equal(wavelength, sed.wavelength):
            _check_coverage(sed, np.append(0.0, redshift), filters)
            wavelength = sed.wavelength
            at_rest = _band_weights(wavelength, 0.0, *filters[REFERENCE])
            weights = np.array(
                [[_band_weights(wavelength, z, *f) for f in filters.values()] for z in redshift]
            )
        flux = weights @ sed.flux
        brightest = flux.max(axis=1, keepdims=True)
        if np.any(brightest <= 0):
            z = redshift[np.argmin(brightest)]
            raise SEDError(
                f"{sed.source} has no flux in {', '.join(filters)} at z = {z:g}: "
                "take it out of the library"
            )
        magnitude = -2.5 * np.log10(np.maximum(flux / brightest, _FAINTEST))
        colours[row] = magnitude - magnitude[:, [reference]]
        # Moved to z, an SED of a given luminosity is lower by 1 + z in F_lambda (Hogg et al. 2002).
        apparent = magnitude[:, reference] - 2.5 * np.log10(brightest[:, 0] / (1 + redshift))
        rest = max(at_rest @ sed.flux, _FAINTEST * flux.max())
        k_correction[row] = apparent + 2.5 * np.log10(rest)
    return Photometry(
        np.array([sed.sfh for sed in seds]),
        np.array([sed.age for sed in seds]),
        np.array([sed.Z for sed in seds]),
        np.asarray(redshift, float),
        tuple(filters),
        colours,
        k_correction,
    )
