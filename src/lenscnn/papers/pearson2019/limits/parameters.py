"""Everything an image of pearson2019 depends on, as a vector; what the population says of it."""

import numpy as np

from lenscnn.papers.pearson2019.ellipticity import (
    e1_e2_to_q_phi_pearson,
    q_phi_to_e1_e2_pearson,
)

LENS = ("theta_E", "e1", "e2", "center_x", "center_y")
SOURCE = (
    "source_x", "source_y", "source_log_R_sersic", "source_n_sersic", "source_e1", "source_e2"
)  # fmt: skip
LIGHT = ("lens_log_R_sersic", "lens_n_sersic", "lens_e1", "lens_e2")

ROUNDEST = 1 - 1e-5
"""Largest axis ratio at which derivatives are taken: at 1 the position angle means nothing."""

FLATTEST = 0.98
"""Largest ellipticity of equation 1 that is drawn: an axis ratio of 0.1."""

_LN10 = np.log(10)


def names_of(bands: list[str], lens_light: str) -> list[str]:
    """Return the names of the parameters of a view's images, in the order of a vector.

    Positions are in arcsec, source positions relative to the lens, ellipticities those of equation
    1, radii and fluxes natural logarithms of arcsec and of flux over that of AB magnitude 0. The
    lens light is centred on the mass. Of an image that it was removed from, it is no parameter.
    """
    names = [*LENS, *SOURCE, *(f"source_log_flux_{band}" for band in bands)]
    if lens_light == "kept":
        names += [*LIGHT, *(f"lens_log_flux_{band}" for band in bands)]
    return names


def to_vectors(lenses: dict, names: list[str]) -> np.ndarray:
    """Return the parameters of lenses of a catalogue, (n, k)."""
    columns = {name: lenses[name] for name in names if name in lenses}
    for galaxy in ("", "source_", "lens_"):
        shape = q_phi_to_e1_e2_pearson(lenses[f"{galaxy}q"], lenses[f"{galaxy}phi"])
        columns |= dict(zip((f"{galaxy}e1", f"{galaxy}e2"), shape, strict=True))
    for galaxy in ("source", "lens"):
        columns[f"{galaxy}_log_R_sersic"] = np.log(lenses[f"{galaxy}_R_sersic"])
    for name in names:
        galaxy, is_flux, band = name.partition("_log_flux_")
        if is_flux:
            columns[name] = -0.4 * _LN10 * lenses[f"magnitude_{galaxy}_{band}"]
    return np.stack([np.asarray(columns[name], float) for name in names], axis=1)


def from_vectors(vectors: np.ndarray, names: list[str], lenses: dict) -> dict:
    """Return a catalogue with these parameters, all else as in `lenses`.

    An ellipticity beyond `FLATTEST` counts as that.
    """
    columns = dict(zip(names, vectors.T, strict=True))
    changed = dict(lenses)
    for galaxy in ("", "source_", "lens_"):
        if f"{galaxy}e1" in columns:
            e1, e2 = columns[f"{galaxy}e1"], columns[f"{galaxy}e2"]
            shrink = FLATTEST / np.maximum(np.hypot(e1, e2), FLATTEST)
            shape = e1_e2_to_q_phi_pearson(shrink * e1, shrink * e2)
            changed[f"{galaxy}q"], changed[f"{galaxy}phi"] = shape
    for name, values in columns.items():
        galaxy, is_flux, band = name.partition("_log_flux_")
        if is_flux:
            changed[f"magnitude_{galaxy}_{band}"] = -2.5 / _LN10 * values
        elif name.endswith("_log_R_sersic"):
            changed[name.replace("_log", "")] = np.exp(values)
        elif name in lenses:
            changed[name] = values
    return changed


def by_ellipticity(q, phi, by_q, by_phi):
    """Return derivatives by e1 and e2 of equation 1 from those by axis ratio and position angle.

    All arguments are broadcast; q < 1.
    """
    e = (1 - q**2) / (1 + q**2)
    radial, tangential = by_q * -((1 + q**2) ** 2) / (4 * q), by_phi / (2 * e)
    cos, sin = np.cos(2 * phi), np.sin(2 * phi)
    return radial * cos - tangential * sin, radial * sin + tangential * cos
