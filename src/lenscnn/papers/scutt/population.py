"""scutt's population: SIE lenses filled with SIS subhaloes from a mass law.

dN/dM is proportional to M^alpha (equation 2.1, with the sign of alpha as printed elsewhere in the
paper: alpha in [-2.5, -1.5]). Subhaloes are drawn until their mass would pass a fixed fraction of
the lens mass; the one that would pass it is dropped. Two laws can be drawn: ``powerlaw``,
continuous between two masses, and ``decades``, masses 10^k with probability proportional to
k^alpha, k = 1, 2, ... counted from the lowest: a power law in the number of the decade.
"""

import numpy as np

from lenscnn.core.compiling import njit
from lenscnn.core.cosmology import distance_ratio, einstein_radius, velocity_dispersion
from lenscnn.galaxies.distributions import truncated_normal
from lenscnn.rng.kernels import uniform
from lenscnn.rng.streams import image_keys, stream_key, uniforms

COLUMNS = {
    "alpha": "slope of the subhalo mass function",
    "N": "number of subhaloes",
    "theta_E": "Einstein radius of the main lens, arcsec",
    "q": "axis ratio of the main lens",
    "phi": "position angle of the major axis, rad, counter-clockwise from +x",
    "center_x": "centre of the main lens, arcsec",
    "center_y": "centre of the main lens, arcsec",
    "z_source": "redshift of the source",
    "lens_mass": "mass that sets the subhalo budget, solar masses",
    "sum_theta_E_sub": "sum of the subhaloes' Einstein radii, arcsec",
}
"""Columns of a catalogue with their meaning and unit; `subset` and `index` name the row."""

BLOCK = 2000
"""Lenses drawn at once: the subhaloes of a whole training set would fill the memory."""


def _between(u, minimum: float, maximum: float) -> np.ndarray:
    return minimum + u * (maximum - minimum)


@njit(inline="always")
def _mass(u, alpha, decades, minimum, maximum, low, high, cumulative):
    """Return the subhalo mass for a uniform number u, by inverting the distribution function.

    `low` and `high` are the limits to the power alpha + 1: powers are dear, so once a lens.
    """
    if decades:
        k = 0
        while u > cumulative[k]:
            k += 1
        return minimum * 10.0**k
    if abs(alpha + 1) < 1e-9:
        return minimum * (maximum / minimum) ** u
    return (low + u * (high - low)) ** (1 / (alpha + 1))


@njit()
def _cumulative(alpha, n):
    """Return the distribution function of the decades law over its n masses."""
    weights = np.arange(1, n + 1) ** alpha
    cumulative = np.cumsum(weights) / np.sum(weights)
    cumulative[-1] = 1.0
    return cumulative


@njit(nogil=True)
def _count(keys, alpha, budget, decades, minimum, maximum, n_decades, limit):
    """Count the subhaloes that fit each budget; -1 where more than `limit` would."""
    counts = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        cumulative = _cumulative(alpha[i], n_decades)
        low, high = minimum ** (alpha[i] + 1), maximum ** (alpha[i] + 1)
        total, n = 0.0, 0
        while n <= limit:
            u = uniform(keys[i], np.uint64(n))
            total += _mass(u, alpha[i], decades, minimum, maximum, low, high, cumulative)
            if total > budget[i]:
                break
            n += 1
        counts[i] = n if n <= limit else -1
    return counts


@njit(nogil=True)
def _fill(mass_keys, place_keys, alpha, counts, decades, minimum, maximum, n_decades, radius):
    """Fill in masses and places of the subhaloes counted: uniform in a disc of `radius`."""
    total = counts.sum()
    mass, x, y = np.empty(total), np.empty(total), np.empty(total)
    row = 0
    for i in range(len(counts)):
        cumulative = _cumulative(alpha[i], n_decades)
        low, high = minimum ** (alpha[i] + 1), maximum ** (alpha[i] + 1)
        for j in range(counts[i]):
            u = uniform(mass_keys[i], np.uint64(j))
            mass[row] = _mass(u, alpha[i], decades, minimum, maximum, low, high, cumulative)
            r = radius[i] * np.sqrt(uniform(place_keys[i], np.uint64(2 * j)))
            angle = 2 * np.pi * uniform(place_keys[i], np.uint64(2 * j + 1))
            x[row], y[row] = r * np.cos(angle), r * np.sin(angle)
            row += 1
    return mass, x, y


def _law(spec: dict) -> tuple:
    """Return the arguments of the compiled kernels that describe the mass law."""
    law = spec["mass_function"]
    minimum, maximum = law["minimum"], law["maximum"]
    if maximum <= minimum:
        raise ValueError(
            f"mass_function: maximum ({maximum:g}) must exceed minimum ({minimum:g}) solar masses"
        )
    decades = np.log10(maximum / minimum)
    if law["law"] == "decades" and abs(decades - round(decades)) > 1e-9:
        raise ValueError(
            f"mass_function: the decades law needs a maximum ({maximum:g}) that is a power of ten "
            f"times the minimum ({minimum:g} solar masses)"
        )
    n_decades = round(decades) + 1
    return law["law"] == "decades", float(minimum), float(maximum), n_decades


def lens_mass(spec: dict, theta_E, z_source) -> np.ndarray:
    """Return the mass of the main lens, solar masses.

    ``constant``: the same for every lens. ``munari``: equations 2.2 and 2.3 with their slips
    mended, sigma = c sqrt(theta_E / (4 pi) D_s / D_ds) and M = 10^15 / h (sigma / A)^(1 / beta)
    (Munari et al. 2013 equation 1).

    Parameters
    ----------
    spec
        The population's part of the config.
    theta_E : ndarray, shape (n,)
        Einstein radii, arcsec.
    z_source : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    if spec["lens_mass"]["kind"] == "constant":
        return np.full(len(theta_E), float(spec["lens_mass"]["constant"]))
    scaling = spec["velocity_scaling"]
    ratio = distance_ratio(spec["z_lens"], z_source, spec["omega_m"])
    sigma_v = velocity_dispersion(theta_E, ratio)
    return 1e15 / scaling["h"] * (sigma_v / scaling["A"]) ** (1 / scaling["beta"])


def subhalo_scale(spec: dict, lenses: dict) -> np.ndarray:
    """Return the Einstein radius of a subhalo of one solar mass in each lens, arcsec.

    A subhalo of mass m has this times m^(2 beta), as a SIS whose velocity dispersion grows as
    m^beta has. ``as_run``: sigma = A (h m / 10^15)^beta and the distances to the source.
    ``self_consistent``: theta_E (m / M_lens)^(2 beta), the same scaling taken relative to the
    main lens.

    Parameters
    ----------
    spec
        The population's part of the config.
    lenses : dict of ndarray, shape (n,)
        Needs ``theta_E``, ``lens_mass``, ``z_source``.

    Returns
    -------
    ndarray, shape (n,)
    """
    scaling = spec["velocity_scaling"]
    if spec["subhalo_scale"] == "self_consistent":
        return lenses["theta_E"] / lenses["lens_mass"] ** (2 * scaling["beta"])
    sigma_v = scaling["A"] * (scaling["h"] / 1e15) ** scaling["beta"]
    ratio = distance_ratio(spec["z_lens"], lenses["z_source"], spec["omega_m"])
    return einstein_radius(sigma_v, ratio)


def draw_lenses(spec: dict, subset: str, index: np.ndarray, alpha: float | None) -> dict:
    """Draw the lenses of one subset.

    Parameters
    ----------
    spec
        The population: ``seed``, ``draw`` (name), ``geometry``, ``mass_function``, ``z_lens``,
        ``omega_m``, ``lens_mass``, ``velocity_scaling``, ``subhalo_scale``,
        ``substructure_fraction``, ``substructure_radius``, ``maximum_subhaloes``, ``alpha``.
    subset
        Name of the subset; with `index` it decides every number drawn.
    index : ndarray of int, shape (n,)
        Image indices within the subset.
    alpha
        The slope of all, or None to draw it uniformly between the config's limits.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``subset``, ``index`` and the columns of `COLUMNS`.

    Raises
    ------
    ValueError
        If the mass law cannot meet the budget: the lightest subhalo is heavier than it, or more
        than ``maximum_subhaloes`` fit.
    """
    n = len(index)
    stream = stream_key(spec["seed"], spec["draw"], subset, "geometry")
    u = [uniforms(stream, index, counter) for counter in range(7)]
    geometry = spec["geometry"]
    if geometry["kind"] == "fixed":
        lens = {
            name: np.full(n, float(geometry[name]))
            for name in ("theta_E", "q", "phi", "center_x", "center_y", "z_source")
        }
    else:
        lens = {
            "theta_E": truncated_normal(u[1], **geometry["theta_E"]),
            "q": truncated_normal(u[2], **geometry["q"]),
            "phi": np.pi * u[3],
            "center_x": _between(u[4], -geometry["center"], geometry["center"]),
            "center_y": _between(u[5], -geometry["center"], geometry["center"]),
            "z_source": truncated_normal(u[6], **geometry["z_source"]),
        }
    slope = _between(u[0], **spec["alpha"]) if alpha is None else np.full(n, float(alpha))
    lens |= {"alpha": slope, "lens_mass": lens_mass(spec, lens["theta_E"], lens["z_source"])}

    budget = spec["substructure_fraction"] * lens["lens_mass"]
    decades, minimum, maximum, n_decades = _law(spec)
    if n and minimum > budget.min():
        raise ValueError(
            f"mass_function.minimum ({minimum:g} solar masses) exceeds the mass to be drawn, "
            f"substructure_fraction x lens mass = {budget.min():g}: no subhalo fits; "
            "lower the minimum or raise substructure_fraction"
        )
    keys = image_keys(stream_key(spec["seed"], spec["draw"], subset, "mass"), index)
    limit = spec["maximum_subhaloes"]
    counts = _count(keys, slope, budget, decades, minimum, maximum, n_decades, limit)
    if np.any(counts < 0):
        worst = np.argmin(counts)
        raise ValueError(
            f"the mass law meets its budget of {budget[worst]:.3g} solar masses only with more "
            f"than maximum_subhaloes = {limit} (subset {subset}, index {index[worst]}, "
            f"alpha = {slope[worst]:.3f}): raise mass_function.minimum or maximum_subhaloes"
        )
    lens |= {"subset": np.full(n, subset), "index": np.asarray(index), "N": counts}
    _, _, _, theta_E, bounds = draw_subhaloes(spec, lens)
    lens["sum_theta_E_sub"] = np.add.reduceat(np.append(theta_E, 0.0), bounds[:-1]) * (counts > 0)
    return {name: lens[name] for name in ("subset", "index", *COLUMNS)}


def draw_subhaloes(spec: dict, lenses: dict) -> tuple[np.ndarray, ...]:
    """Draw the subhaloes of catalogued lenses.

    Parameters
    ----------
    spec
        The population, as for `draw_lenses`.
    lenses : dict of ndarray, shape (n,)
        Rows of a catalogue.

    Returns
    -------
    mass : ndarray, shape (m,)
        Solar masses; all lenses' subhaloes one after the other.
    x, y : ndarray, shape (m,)
        Places, arcsec from the origin of the stamp.
    theta_E : ndarray, shape (m,)
        Einstein radii, arcsec.
    bounds : ndarray of int64, shape (n + 1,)
        Lens i owns ``bounds[i]:bounds[i + 1]``.
    """
    mass_keys, place_keys = np.empty((2, len(lenses["index"])), np.uint64)
    for subset in np.unique(lenses["subset"]):
        rows = lenses["subset"] == subset
        for keys, purpose in ((mass_keys, "mass"), (place_keys, "place")):
            stream = stream_key(spec["seed"], spec["draw"], str(subset), purpose)
            keys[rows] = image_keys(stream, lenses["index"][rows])
    counts = lenses["N"].astype(np.int64)
    decades, minimum, maximum, n_decades = _law(spec)
    radius = spec["substructure_radius"] * lenses["theta_E"]
    mass, x, y = _fill(
        mass_keys, place_keys, lenses["alpha"], counts,
        decades, minimum, maximum, n_decades, radius,
    )  # fmt: skip
    scale = np.repeat(subhalo_scale(spec, lenses), counts)
    theta_E = scale * mass ** (2 * spec["velocity_scaling"]["beta"])
    x += np.repeat(lenses["center_x"], counts)
    y += np.repeat(lenses["center_y"], counts)
    return mass, x, y, theta_E, np.concatenate(([0], np.cumsum(counts)))


def catalogue(spec: dict, subsets: list[dict]) -> dict[str, np.ndarray]:
    """Draw all lenses of a split.

    Parameters
    ----------
    spec
        The population, as for `draw_lenses`.
    subsets
        Dicts of ``name``, ``n`` and ``alpha`` (None: drawn), in order.

    Returns
    -------
    dict of ndarray, shape (n,)
    """
    parts = [
        draw_lenses(spec, subset["name"], np.arange(start, min(start + BLOCK, subset["n"])),
                    subset["alpha"])
        for subset in subsets
        for start in range(0, subset["n"], BLOCK)
    ]  # fmt: skip
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
