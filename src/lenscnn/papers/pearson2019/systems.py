"""Systems of pearson2019, from uniform numbers: lens, source, light, cuts without an image."""

import numpy as np
from scipy.special import ndtri

from lenscnn.core.cosmology import age_of_universe, einstein_radius
from lenscnn.galaxies.distributions import truncated_normal
from lenscnn.galaxies.photometry import choose_sed, colours, k_corrections
from lenscnn.instrument.survey import background, electrons
from lenscnn.lensing.caustics import tangential_caustic
from lenscnn.papers.pearson2019.universe import lens_light
from lenscnn.rng.streams import image_keys, stream_key, uniforms_of

SLOTS = 32
"""Counters reserved for one attempt; the names below say what each is for."""

(
    _Z_LENS, _Z_SOURCE, _SIGMA_V, _Q, _CROSS_SECTION, _RADIUS, _ANGLE, _LUMINOSITY, _SOURCE_SIZE,
    _SOURCE_Q, _SOURCE_PHI, _SOURCE_N, _LENS_SIZE, _LENS_N, _LIGHT_Q, _LIGHT_PHI, _PHI,
    _CENTER_X, _CENTER_Y, _SOURCE_SED, _LENS_SED,
) = range(21)  # fmt: skip

_CAUSTIC_POINTS = 96

_CAUSTIC_ROWS = 16384

_LARGEST_SNR = 0.5
"""No signal-to-noise exceeds this share of `faint`'s estimate, whatever the flux and the pixels
counted: of 240,000 systems of both surveys and three readings the largest share was 0.49."""


def inside_critical_curve(theta_E, q, u_radius, u_angle) -> tuple[np.ndarray, np.ndarray]:
    """Draw positions inside the critical curve, semi-axes theta_E / sqrt(q), theta_E sqrt(q).

    Parameters
    ----------
    theta_E, q, u_radius, u_angle : ndarray, shape (n,)
        Einstein radius (arcsec), axis ratio, uniform numbers.

    Returns
    -------
    major, minor : ndarray, shape (n,)
        Along the lens's axes, arcsec.
    """
    r, t = np.sqrt(u_radius), 2 * np.pi * u_angle
    return theta_E / np.sqrt(q) * r * np.cos(t), theta_E * np.sqrt(q) * r * np.sin(t)


def inside_caustic(theta_E, q, u_radius, u_angle) -> tuple[np.ndarray, np.ndarray]:
    """Draw positions uniform inside the tangential caustic; arguments and result as above.

    The caustic is a polygon that the lens's centre sees all of: a triangle of it is chosen by its
    area, and a point in the triangle.
    """
    major, minor = np.empty_like(theta_E), np.empty_like(theta_E)
    for start in range(0, len(theta_E), _CAUSTIC_ROWS):
        rows = slice(start, start + _CAUSTIC_ROWS)
        x, y = tangential_caustic(theta_E[rows], q[rows], 0.0 * q[rows], _CAUSTIC_POINTS)
        next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
        area = np.cumsum(np.abs(x * next_y - y * next_x), axis=1)
        aim = u_angle[rows] * area[:, -1]
        k = np.minimum((area < aim[:, None]).sum(axis=1), _CAUSTIC_POINTS - 1)
        here = np.arange(len(k)), k
        before = np.where(k > 0, area[here[0], k - 1], 0.0)
        t = (aim - before) / np.maximum(area[here] - before, np.finfo(float).tiny)
        r = np.sqrt(u_radius[rows])
        major[rows] = r * (x[here] + t * (next_x[here] - x[here]))
        minor[rows] = r * (y[here] + t * (next_y[here] - y[here]))
    return major, minor


def draw_geometry(spec, universe, number, n, chosen):
    """Draw lenses with sources behind them, by criterion (i): rows that pass, and columns."""
    if "theta_E" in chosen:
        rows, system = _lenses_around(spec, universe, number, n, chosen["theta_E"])
    else:
        rows, system = _lenses_of_population(spec, universe, number, n)
    if "q" in chosen:
        system["q"] = chosen["q"][rows]
    else:
        system["q"] = truncated_normal(number(_Q, rows), **spec["q"])
    system["phi"] = chosen["phi"][rows] if "phi" in chosen else np.pi * number(_PHI, rows)
    place = inside_caustic if spec["position"] == "caustic" else inside_critical_curve
    major, minor = place(
        system["theta_E"], system["q"], number(_RADIUS, rows), number(_ANGLE, rows)
    )
    cos, sin = np.cos(system["phi"]), np.sin(system["phi"])
    system["source_x"], system["source_y"] = cos * major - sin * minor, sin * major + cos * minor
    keep = np.hypot(major, minor) < system["theta_E"]
    return rows[keep], take(system, keep)


def _lenses_of_population(spec, universe, number, n):
    """Draw velocity dispersions and redshifts; Einstein radii follow."""
    rows, by_area = np.arange(n), spec["position"] != "critical_curve"

    def inside(theta_E, rows):
        return number(_CROSS_SECTION, rows) < (theta_E / spec["position_radius"]) ** 2

    sigma_v = truncated_normal(number(_SIGMA_V), **spec["sigma_v"])
    if by_area:
        # Most attempts fail here, wherever lens and source are.
        rows = rows[inside(einstein_radius(sigma_v), rows)]
    rows, z_lens, z_source = _sources_behind(spec, universe, number, rows)
    sigma_v = sigma_v[rows]
    theta_E = universe.theta_E(sigma_v, z_lens, z_source)
    keep = inside(theta_E, rows) if by_area else np.ones(len(rows), bool)
    system = {"theta_E": theta_E, "z_lens": z_lens, "z_source": z_source, "sigma_v": sigma_v}
    return rows[keep], take(system, keep)


def _lenses_around(spec, universe, number, n, theta_E):
    """Draw redshifts for given Einstein radii (n,); velocity dispersions follow."""
    limits = spec["sigma_v"]
    rows, z_lens, z_source = _sources_behind(spec, universe, number, np.arange(n))
    theta_E = theta_E[rows]
    sigma_v = universe.sigma_v(theta_E, z_lens, z_source)
    keep = (sigma_v > limits["minimum"]) & (sigma_v < limits["maximum"])
    system = {"theta_E": theta_E, "z_lens": z_lens, "z_source": z_source, "sigma_v": sigma_v}
    return rows[keep], take(system, keep)


def _sources_behind(spec, universe, number, rows):
    """Draw redshifts; return the rows whose source is behind the lens, and both redshifts."""
    z_lens = universe.redshift(number(_Z_LENS, rows), spec["redshift"]["z_lens"])
    z_source = universe.redshift(number(_Z_SOURCE, rows), spec["redshift"]["z_source"])
    behind = z_source > 1.001 * z_lens + 1e-4
    return rows[behind], z_lens[behind], z_source[behind]


def take(system: dict, rows) -> dict:
    """Return some rows of all columns."""
    return {name: values[rows] for name, values in system.items()}


def draw_sources(spec, universe, photometry, number, rows, system):
    """Draw the light of the sources, before they are lensed, in the detection bands."""
    law, absolute = spec["source_light"], universe.absolute_magnitude(number(_LUMINOSITY, rows))
    z = system["z_source"]
    # Collett 2015: size of a galaxy of this magnitude and redshift, with lognormal scatter.
    log_R = -(absolute + 18) / 4 - 1.2 * np.log10((1 + z) / 1.6)
    log_R = truncated_normal(number(_SOURCE_SIZE, rows), log_R, law["size_scatter"])
    system = system | {
        "magnitude_source": absolute + universe.distance_modulus(z),
        "source_R_sersic": 10**log_R * universe.arcsec_per_kpc(z),
    }
    return system | magnitudes_in(
        spec, photometry, "source", detection_bands(spec), system, number, rows
    )


def light_shape(light: dict, lenses: dict, u_q, u_phi) -> tuple[np.ndarray, np.ndarray]:
    """Draw axis ratio and position angle of the lens light, scattered about those of the mass.

    q_light = q / N(q_mean, q_sd), the factor cut so that 0.1 <= q_light <= 1 (sections 2.1, 3.3).

    Parameters
    ----------
    light
        ``q_mean``, ``q_sd`` and ``phi_sd`` (deg); either scatter may be 0.
    lenses : dict of ndarray, shape (n,)
        ``q`` and ``phi`` (rad) of the mass.
    u_q, u_phi : ndarray, shape (n,)
        Uniform numbers.

    Returns
    -------
    q, phi : ndarray, shape (n,)
        0 <= phi < pi rad.
    """
    q = lenses["q"]
    if light["q_sd"] > 0:
        factor = truncated_normal(u_q, light["q_mean"], light["q_sd"], q, q / 0.1)
    else:
        factor = np.full_like(q, light["q_mean"])
    scatter = np.deg2rad(light["phi_sd"]) * ndtri(u_phi)
    return np.clip(q / factor, 0.1, 1.0), (lenses["phi"] - scatter) % np.pi


def realigned(spec: dict, split: str, lenses: dict, light: dict | None) -> dict:
    """Return a catalogue with the lens light scattered otherwise, by the same random numbers.

    Lenses, sources and detection stay what they are: no criterion looks at the lens light.

    Parameters
    ----------
    spec, split
        As for `draw_lenses`.
    lenses : dict of ndarray, shape (n,)
        Its result.
    light
        As for `light_shape`; None for lens light as it was drawn.
    """
    if light is None:
        return lenses
    keys = image_keys(stream_key(spec["seed"], spec["draw"], split, "system"), lenses["index"])
    u_q, u_phi = (
        uniforms_of(keys, lenses["attempt"] * SLOTS + slot) for slot in (_LIGHT_Q, _LIGHT_PHI)
    )
    lens_q, lens_phi = light_shape(light, lenses, u_q, u_phi)
    return lenses | {"lens_q": lens_q, "lens_phi": lens_phi}


def detection_bands(spec: dict) -> list[str]:
    """Return the bands of the survey of which one at least must show the source."""
    survey = spec["survey"]
    return list(survey["bands"]) if spec["criteria"]["any_band"] else [survey["detection_band"]]


def needs_colours(spec, bands) -> bool:
    """Return whether magnitudes in these bands depend on SEDs."""
    return spec["k_correction"] or list(bands) != [spec["survey"]["detection_band"]]


def filters_of(spec: dict, bands) -> list[str]:
    """Return the filters of bands of the survey."""
    return [spec["survey"]["bands"][band]["filter"] for band in bands]


def magnitudes_in(spec, photometry, galaxy, bands, system, number, rows=slice(None)) -> dict:
    """Draw magnitudes in bands, by SEDs of some age that galaxies at that redshift can have.

    ``magnitude_<galaxy>`` is M + distance modulus. Without K-correction it counts as the apparent
    magnitude in the detection band; with it, M is in r at rest.
    """
    magnitude = system[f"magnitude_{galaxy}"]
    if not needs_colours(spec, bands):
        change = np.zeros((len(magnitude), 1))
    else:
        z, cosmology = system[f"z_{galaxy}"], spec["cosmology"]
        slot, youngest = {
            "source": (_SOURCE_SED, 0.0), "lens": (_LENS_SED, spec["minimum_lens_age"]),
        }[galaxy]  # fmt: skip
        age = age_of_universe(z, cosmology["h"], cosmology["omega_m"])
        sed = choose_sed(number(slot, rows), z, photometry, youngest, age)
        if spec["k_correction"]:
            change = k_corrections(photometry, sed, z, filters_of(spec, bands))
        else:
            known = filters_of(spec, [spec["survey"]["detection_band"]])[0]
            change = colours(photometry, sed, z, filters_of(spec, bands), known)
    return {f"magnitude_{galaxy}_{band}": magnitude + change[:, k] for k, band in enumerate(bands)}


def faint(spec: dict, system: dict) -> np.ndarray:
    """Return whether systems are too faint for criterion (iv), without imaging them.

    A source at beta from an isothermal lens is magnified about 2 theta_E / beta times, counted from
    the caustic's edge for an ellipse, and about 4 theta_E / R_e times at most for its size.

    Parameters
    ----------
    spec
        The population's spec.
    system : dict of ndarray, shape (n,)
        ``theta_E``, ``q``, ``source_x``, ``source_y``, ``source_R_sersic``, and
        ``magnitude_source_<band>`` in each of `detection_bands`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    survey = spec["survey"]
    unlensed = [
        electrons(system[f"magnitude_source_{band}"], survey["bands"][band]["zero_point"], survey)
        / np.sqrt(background(survey, band).variance)
        for band in detection_bands(spec)
    ]  # over the noise of a pixel
    theta_E = system["theta_E"]
    beta = np.hypot(system["source_x"], system["source_y"])
    outside = np.maximum(beta - 0.7 * (1 - system["q"]) * theta_E, system["source_R_sersic"] / 2)
    snr = _LARGEST_SNR * 2 * theta_E / outside * np.max(unlensed, axis=0)
    return snr <= spec["criteria"]["snr"]


def draw_shapes(spec, universe, number, rows, system):
    """Draw all that no cut before the image needs: shapes, lens light, centres."""
    law = spec["source_light"]
    # 1 - q follows a Rayleigh distribution, cut where q would fall below its minimum.
    top = -np.expm1(-((1 - law["q_minimum"]) ** 2) / (2 * law["q_rayleigh"] ** 2))
    u = number(_SOURCE_Q, rows) * top
    R_lens, magnitude_lens = lens_light(
        spec, universe, system["sigma_v"], system["z_lens"], number(_LENS_SIZE, rows)
    )
    lens_q, lens_phi = light_shape(
        spec["light_of_mass"], system, number(_LIGHT_Q, rows), number(_LIGHT_PHI, rows)
    )
    return system | {
        "source_q": 1 - law["q_rayleigh"] * np.sqrt(-2 * np.log1p(-u)),
        "source_phi": np.pi * number(_SOURCE_PHI, rows),
        "source_n_sersic": truncated_normal(number(_SOURCE_N, rows), **spec["n_sersic"]),
        "lens_R_sersic": R_lens,
        "magnitude_lens": magnitude_lens,
        "lens_n_sersic": truncated_normal(number(_LENS_N, rows), **spec["n_sersic"]),
        "lens_q": lens_q,
        "lens_phi": lens_phi,
        "center_x": spec["center_sd"] * ndtri(number(_CENTER_X, rows)),
        "center_y": spec["center_sd"] * ndtri(number(_CENTER_Y, rows)),
    }
