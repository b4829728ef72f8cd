"""Colours of galaxies: spectral energy distributions (SEDs) seen through a survey's filters.

Where the magnitude of a galaxy in one band is known, the other bands follow from m_band -
m_reference of its redshifted SED, without dust or intergalactic absorption, and so does what
redshift makes of the first (the K-correction). Both are tabulated once for a library of SEDs
(`tabulate`, which takes astropy and speclite) and looked up ever after (`load`, numpy only).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lenscnn.core import storage
from lenscnn.galaxies.interpolation import bracket

_COMMITTED = {"g": "lsst2016-g", "r": "lsst2016-r", "i": "lsst2016-i", "VIS": "Euclid-VIS"}
"""Filters of the committed table's columns, which it calls by bands."""

FILTERS = tuple(_COMMITTED.values())
"""Filters of the committed table, by their names in speclite: whole systems, LSST with the
atmosphere at airmass 1.2."""

REFERENCE = "lsst2016-r"
"""Filter that the tabulated colours are relative to, and luminosities are given in."""


class ColourError(ValueError):
    """A survey or a population asks for colours that the table does not have."""


@dataclass(frozen=True)
class Photometry:
    """Colours and K-corrections of a library of SEDs.

    Attributes
    ----------
    sfh : ndarray of str, shape (n_seds,)
        Star-formation history.
    age : ndarray, shape (n_seds,)
        yr.
    Z : ndarray, shape (n_seds,)
        Metallicity, solar.
    redshift : ndarray, shape (n_z,)
        Increasing.
    filters
        Names of the filters, as speclite has them.
    colours : ndarray of float32, shape (n_seds, n_z, n_filters)
        m_filter - m_`REFERENCE`, AB magnitudes.
    k_correction : ndarray of float32, shape (n_seds, n_z)
        m - M - distance modulus in `REFERENCE` (Hogg et al. 2002, equation 2), magnitudes.
    """

    sfh: np.ndarray
    age: np.ndarray
    Z: np.ndarray
    redshift: np.ndarray
    filters: tuple[str, ...]
    colours: np.ndarray
    k_correction: np.ndarray


def save(path, photometry: Photometry, attrs: dict[str, str]) -> None:
    """Write a table with attributes that say where it comes from.

    Raises
    ------
    storage.DataFileError
        If it cannot be written.
    """
    arrays = {name: getattr(photometry, name) for name in Photometry.__dataclass_fields__}
    units = {
        "column age": "yr",
        "column Z": "metallicity, solar",
        "column colours": f"m_filter - m_{REFERENCE}, AB magnitudes; axes SED, redshift, filter",
        "column k_correction": f"m - M - distance modulus in {REFERENCE}; axes SED, redshift",
    }
    storage.write_h5(path, arrays | {"filters": np.array(photometry.filters)}, units | attrs)


def load(path) -> Photometry:
    """Read a table that `save` wrote.

    Raises
    ------
    storage.DataFileError
        If it is missing, damaged, or no table of colours.
    """
    arrays, _ = storage.read_h5(path)
    if "bands" in arrays:  # the committed table
        bands = arrays.pop("bands").tolist()
        arrays["filters"] = np.array([_COMMITTED.get(band, band) for band in bands])
    names = Photometry.__dataclass_fields__
    if arrays.keys() != names.keys():
        raise storage.DataFileError(
            f"{path} holds {', '.join(arrays)}, not a table of colours ({', '.join(names)}): "
            "build one with scripts/photometry.py"
        )
    filters = tuple(arrays.pop("filters").tolist())
    return Photometry(filters=filters, **arrays)


def choose_sed(u, z, photometry: Photometry, minimum_age: float, universe_age) -> np.ndarray:
    """Choose one of the SEDs that are younger than the universe, each with equal odds.

    Parameters
    ----------
    u : ndarray, shape (n,)
        Uniform numbers in [0, 1).
    z : ndarray, shape (n,)
        Redshifts, for the message only.
    photometry
        The library.
    minimum_age
        Age from which SEDs are taken, yr.
    universe_age : ndarray, shape (n,)
        Age of the universe at z (`age_of_universe`), yr.

    Returns
    -------
    ndarray of int, shape (n,)
        Rows of the library.

    Raises
    ------
    ColourError
        If no SED is old enough yet younger than the universe.
    """
    order = np.argsort(photometry.age, kind="stable")
    ages = photometry.age[order]
    first = np.searchsorted(ages, minimum_age)
    n = np.searchsorted(ages, universe_age) - first
    if np.any(n <= 0):
        worst = np.argmin(n)
        raise ColourError(
            f"no SED of the library is at least {minimum_age:.3g} yr old and younger than the "
            f"universe at z = {z[worst]:g} ({universe_age[worst]:.3g} yr): lower the minimum age "
            "or the redshifts, or use a library with more ages"
        )
    return order[first + np.minimum((u * n).astype(int), n - 1)]


def speclite_filters() -> list[str]:
    """Return the names of speclite's filters, without importing it; none if it is not here."""
    package = find_spec("speclite")
    folders = (package and package.submodule_search_locations) or []
    return sorted(path.stem for at in folders for path in Path(at, "data/filters").glob("*.ecsv"))


def check_filters(photometry: Photometry, filters) -> None:
    """Raise ColourError, naming it, if a filter is not in the table."""
    if unknown := {*map(str, filters)} - {*photometry.filters}:
        raise ColourError(
            f"no colours for filter {', '.join(sorted(unknown))}: "
            f"the table has {', '.join(photometry.filters)}"
        )


def colours(photometry: Photometry, sed_index, z, filters, reference: str) -> np.ndarray:
    """Return m_filter - m_reference of SEDs at redshifts, linear between those of the table.

    Parameters
    ----------
    photometry
        The library.
    sed_index : ndarray of int, shape (n,)
        Rows of the library.
    z : ndarray, shape (n,)
        Redshifts.
    filters
        Names of n_filters filters.
    reference
        Filter in which the magnitude is known.

    Returns
    -------
    ndarray, shape (n, n_filters)
        AB magnitudes to be added to that in the reference filter.

    Raises
    ------
    ColourError
        If a filter or a redshift is not in the table.
    """
    check_filters(photometry, [*filters, reference])
    columns = [photometry.filters.index(name) for name in filters]
    at_z = _at_redshift(photometry, photometry.colours, sed_index, z)
    return at_z[:, columns] - at_z[:, [photometry.filters.index(reference)]]


def k_corrections(photometry: Photometry, sed_index, z, filters) -> np.ndarray:
    """Return apparent magnitudes in filters less distance modulus and M in `REFERENCE` at rest.

    Parameters, result (n, n_filters) and errors as for `colours`.
    """
    in_reference = _at_redshift(photometry, photometry.k_correction[..., None], sed_index, z)
    return in_reference + colours(photometry, sed_index, z, filters, REFERENCE)


def _at_redshift(photometry: Photometry, table: np.ndarray, sed_index, z) -> np.ndarray:
    """Return the rows of a table of shape (n_seds, n_z, k) at redshifts (n,), shape (n, k)."""
    grid, z = photometry.redshift, np.asarray(z, float)
    if not np.all((z >= grid[0]) & (z <= grid[-1])):
        raise ColourError(
            f"redshifts from {z.min():g} to {z.max():g} leave the table of colours "
            f"({grid[0]:g} to {grid[-1]:g}): narrow them, or build a wider table"
        )
    right, t = bracket(grid, z)
    t = t[:, None]
    return (1 - t) * table[sed_index, right - 1] + t * table[sed_index, right]
