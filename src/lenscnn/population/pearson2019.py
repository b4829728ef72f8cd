"""pearson2019's population: early-type lenses and galaxies behind them, as two surveys detect them.

A lens is drawn by attempts. Attempt k of image i is a whole system, every number of it a hash of
(i, k); the image shows the first attempt that passes the four detection criteria of section 2.1,
so that it depends on nothing but its index. Test sets draw redshifts and velocity dispersions
and let theta_E follow; training sets fix theta_E, q and phi of an image and draw all else anew.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from lenscnn.conventions import ARCSEC, SPEED_OF_LIGHT
from lenscnn.cosmology import comoving_distance
from lenscnn.lensing.caustics import tangential_caustic
from lenscnn.observation import background, electrons
from lenscnn.population.laws import truncated_normal
from lenscnn.population.photometry import (
    Photometry,
    age_of_universe,
    check_bands,
    choose_sed,
    colours,
    k_corrections,
)
from lenscnn.seeds import image_keys, stream_key, uniforms_of

COLUMNS = {
    "theta_E": "Einstein radius, arcsec",
    "q": "axis ratio of the mass",
    "phi": "position angle of the mass, rad, counter-clockwise from +x",
    "center_x": "centre of mass and light, arcsec",
    "center_y": "centre of mass and light, arcsec",
    "z_lens": "redshift of the lens",
    "z_source": "redshift of the source",
    "sigma_v": "velocity dispersion, km/s",
    "source_x": "source position relative to the lens, arcsec in the source plane",
    "source_y": "source position relative to the lens, arcsec in the source plane",
    "source_R_sersic": "half-light radius of the source, arcsec",
    "source_n_sersic": "Sersic index of the source",
    "source_q": "axis ratio of the source",
    "source_phi": "position angle of the source, rad",
    "lens_R_sersic": "half-light radius of the lens, arcsec",
    "lens_n_sersic": "Sersic index of the lens",
    "lens_q": "axis ratio of the lens light",
    "lens_phi": "position angle of the lens light, rad",
    "mu": "magnification of the source: its flux on the field judged over its unlensed flux",
    "snr": "signal-to-noise ratio of the lensed source, one visit, in the best band judged",
    "attempt": "attempt that passed the criteria",
}
"""Columns of a catalogue with their meaning and unit. Beside them ``index`` names the row, and
``magnitude_source_<band>``, ``magnitude_lens_<band>`` are AB magnitudes of the unlensed source and
of the lens in each band of the survey."""

CUTS = ("geometry", "size", "flux", "magnification", "signal_to_noise")
"""Where attempts fail: sigma_v, redshifts and position (criterion i), source against Einstein
radius (ii), `faint` ones that need no image, magnification (iii), and signal-to-noise (iv)."""

MEMORY = 2_000_000
"""Attempts looked at together: bounds the memory, changes no lens."""

_SLOTS = 32
"""Counters reserved for one attempt; the names below say what each is for."""
(
    _Z_LENS, _Z_SOURCE, _SIGMA_V, _Q, _CROSS_SECTION, _RADIUS, _ANGLE, _LUMINOSITY, _SOURCE_SIZE,
    _SOURCE_Q, _SOURCE_PHI, _SOURCE_N, _LENS_SIZE, _LENS_N, _LIGHT_Q, _LIGHT_PHI, _PHI,
    _CENTER_X, _CENTER_Y, _SOURCE_SED, _LENS_SED,
) = range(21)  # fmt: skip

_TOGETHER = 64
"""Systems looked at together at the least: fewer take as long."""

_CAUSTIC_POINTS = 96
_CAUSTIC_ROWS = 16384

_LARGEST_SNR = 0.5
"""No signal-to-noise exceeds this share of `faint`'s estimate, whatever the flux and the pixels
counted: of 240,000 systems of both surveys and three readings the largest share was 0.49."""


class NothingDetected(ValueError):
    """A survey detects none, or too few, of the lenses of a population."""


def einstein_radius(sigma_v, ratio=1.0) -> np.ndarray:
    """Einstein radius (arcsec) of an isothermal lens of velocity dispersion `sigma_v` (km/s).

    `ratio` is that of the distances from lens to source and from us to source: at most one.
    """
    return 4 * np.pi * (sigma_v / SPEED_OF_LIGHT) ** 2 * ratio / ARCSEC


class Universe:
    """Tables of distances and of the laws that are inverted to draw from them.

    Parameters
    ----------
    spec
        The population's spec (`draw_lenses`).
    """

    def __init__(self, spec: dict):
        h, omega_m = spec["cosmology"]["h"], spec["cosmology"]["omega_m"]
        self.z = np.linspace(0, max(spec["redshift"]["z_source"], spec["redshift"]["z_lens"]), 3001)
        self.comoving = comoving_distance(self.z, omega_m) * SPEED_OF_LIGHT / (100 * h)  # Mpc
        volume = self.comoving**2 / np.sqrt(omega_m * (1 + self.z) ** 3 + 1 - omega_m)
        prior = volume if spec["redshift"]["prior"] == "comoving" else np.ones_like(self.z)
        self._cumulative = np.concatenate(([0], np.cumsum((prior[1:] + prior[:-1]) / 2)))

        law = spec["luminosity_function"]
        magnitude = np.linspace(law["bright"], law["faint"], 4001)
        x = 10 ** (0.4 * (law["M_star"] - magnitude))
        density = np.exp(-x) * (
            law["phi1"] * x ** (law["alpha1"] + 1) + law["phi2"] * x ** (law["alpha2"] + 1)
        )
        self._magnitude = magnitude
        self._luminosity = np.concatenate(([0], np.cumsum((density[1:] + density[:-1]) / 2)))

    def redshift(self, u, maximum: float) -> np.ndarray:
        """Redshift up to `maximum` with uniform number `u`, by the prior of the spec."""
        top = np.interp(maximum, self.z, self._cumulative)
        return np.interp(u * top, self._cumulative, self.z)

    def absolute_magnitude(self, u) -> np.ndarray:
        """Absolute magnitude of a source, from the luminosity function."""
        return np.interp(u * self._luminosity[-1], self._luminosity, self._magnitude)

    def distance(self, z) -> np.ndarray:
        """Comoving distance, Mpc."""
        return np.interp(z, self.z, self.comoving)

    def distance_modulus(self, z) -> np.ndarray:
        """m - M without K-correction."""
        return 5 * np.log10((1 + z) * self.distance(z)) + 25

    def arcsec_per_kpc(self, z) -> np.ndarray:
        """Angle that a proper kpc across the line of sight subtends, arcsec."""
        return (1 + z) / (1000 * self.distance(z)) / ARCSEC

    def theta_E(self, sigma_v, z_lens, z_source) -> np.ndarray:
        """Einstein radius of an isothermal lens, arcsec."""
        ratio = 1 - self.distance(z_lens) / self.distance(z_source)
        return einstein_radius(sigma_v, ratio)

    def sigma_v(self, theta_E, z_lens, z_source) -> np.ndarray:
        """Velocity dispersion of the isothermal lens of this Einstein radius, km/s."""
        ratio = 1 - self.distance(z_lens) / self.distance(z_source)
        return SPEED_OF_LIGHT * np.sqrt(theta_E * ARCSEC / (4 * np.pi * ratio))


def lens_light(spec: dict, universe: Universe, sigma_v, z_lens, u_size) -> tuple:
    """Half-light radius (arcsec) and magnitude of early-type lenses.

    The size follows from the velocity dispersion with scatter (Hyde & Bernardi 2009a), the surface
    brightness from both by the fundamental plane, log10 R_e = a log10 sigma + b mu_e + c
    (Hyde & Bernardi 2009b). The magnitude is M + distance modulus.

    Parameters
    ----------
    spec
        The population's spec.
    universe
        Its tables.
    sigma_v, z_lens, u_size : ndarray, shape (n,)
        Velocity dispersion (km/s), redshift, uniform number of the size's scatter.

    Returns
    -------
    R_sersic, magnitude : ndarray, shape (n,)
    """
    law = spec["lens_light"]
    v = np.log10(sigma_v)
    c0, c1, c2 = law["size_of_sigma"]
    log_R = truncated_normal(u_size, c0 + c1 * v + c2 * v**2, law["size_scatter"])  # kpc
    a, b, c = law["fundamental_plane"]
    mu_e = (log_R - a * v - c) / b
    # mu_e = M + 2.5 log10(2 pi R_e^2) + 36.57 with R_e in kpc.
    absolute = mu_e - 2.5 * np.log10(2 * np.pi) - 5 * log_R - 36.57
    R_sersic = 10**log_R * universe.arcsec_per_kpc(z_lens)
    return R_sersic, absolute + universe.distance_modulus(z_lens)


def inside_critical_curve(theta_E, q, u_radius, u_angle) -> tuple[np.ndarray, np.ndarray]:
    """Positions uniform inside the critical curve, of semi-axes theta_E / sqrt(q), theta_E sqrt(q).

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
    """Positions uniform inside the tangential caustic; arguments and result as above.

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


def _geometry(spec, universe, number, n, chosen):
    """First cut: a lens, a source behind it, and criterion (i). Rows that pass, and columns."""
    redshift, sigma, rows = spec["redshift"], spec["sigma_v"], np.arange(n)

    def inside(theta_E):
        return number(_CROSS_SECTION, rows) < (theta_E / spec["position_radius"]) ** 2

    by_area = "theta_E" not in chosen and spec["position"] != "critical_curve"
    if "theta_E" not in chosen:
        sigma_v = truncated_normal(number(_SIGMA_V), **sigma)
    if by_area:
        # Most attempts fall here, wherever lens and source are.
        rows = rows[inside(einstein_radius(sigma_v))]
    z_lens = universe.redshift(number(_Z_LENS, rows), redshift["z_lens"])
    z_source = universe.redshift(number(_Z_SOURCE, rows), redshift["z_source"])
    behind = z_source > 1.001 * z_lens + 1e-4
    rows, z_lens, z_source = rows[behind], z_lens[behind], z_source[behind]
    if "theta_E" not in chosen:
        sigma_v = sigma_v[rows]
        theta_E = universe.theta_E(sigma_v, z_lens, z_source)
        keep = inside(theta_E) if by_area else np.ones(len(rows), bool)
    else:
        theta_E = chosen["theta_E"][rows]
        sigma_v = universe.sigma_v(theta_E, z_lens, z_source)
        keep = (sigma_v > sigma["minimum"]) & (sigma_v < sigma["maximum"])
    rows = rows[keep]
    system = {"theta_E": theta_E, "z_lens": z_lens, "z_source": z_source, "sigma_v": sigma_v}
    system = {name: values[keep] for name, values in system.items()}
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
    return rows[keep], {name: values[keep] for name, values in system.items()}


def _sources(spec, universe, photometry, number, rows, system):
    """Light of the sources, before they are lensed, in the bands that are judged."""
    law, absolute = spec["source_light"], universe.absolute_magnitude(number(_LUMINOSITY, rows))
    z = system["z_source"]
    # Collett 2015: size of a galaxy of this magnitude and redshift, with lognormal scatter.
    log_R = -(absolute + 18) / 4 - 1.2 * np.log10((1 + z) / 1.6)
    log_R = truncated_normal(number(_SOURCE_SIZE, rows), log_R, law["size_scatter"])
    system = system | {
        "magnitude_source": absolute + universe.distance_modulus(z),
        "source_R_sersic": 10**log_R * universe.arcsec_per_kpc(z),
    }
    return system | _magnitudes(
        spec, photometry, "source", judged_bands(spec), system, number, rows
    )


def light_shape(light: dict, lenses: dict, u_q, u_phi) -> tuple[np.ndarray, np.ndarray]:
    """Axis ratio and position angle of the lens light, scattered about those of the mass.

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


def realigned(spec: dict, split: str, lenses: dict, light: dict) -> dict:
    """A catalogue with the lens light scattered otherwise, by the same random numbers.

    Lenses, sources and detection stay what they are: no criterion looks at the lens light.

    Parameters
    ----------
    spec, split
        As for `draw_lenses`.
    lenses : dict of ndarray, shape (n,)
        Its result.
    light
        As for `light_shape`.
    """
    keys = image_keys(stream_key(spec["seed"], spec["draw"], split, "system"), lenses["index"])
    u_q, u_phi = (
        uniforms_of(keys, lenses["attempt"] * _SLOTS + slot) for slot in (_LIGHT_Q, _LIGHT_PHI)
    )
    lens_q, lens_phi = light_shape(light, lenses, u_q, u_phi)
    return lenses | {"lens_q": lens_q, "lens_phi": lens_phi}


def judged_bands(spec: dict) -> list[str]:
    """Bands of the survey of which one at least must show the source."""
    survey = spec["survey"]
    return list(survey["bands"]) if spec["criteria"]["any_band"] else [survey["detection_band"]]


def _takes_colours(spec, bands) -> bool:
    """Whether magnitudes in these bands depend on SEDs."""
    return spec["k_correction"] or list(bands) != [spec["survey"]["detection_band"]]


def _magnitudes(spec, photometry, galaxy, bands, system, number, rows=slice(None)) -> dict:
    """Magnitudes in bands, by SEDs of some age that galaxies at that redshift can have.

    ``magnitude_<galaxy>`` is M + distance modulus. Without K-correction it counts as the apparent
    magnitude in the detection band; with it, M is in r at rest.
    """
    magnitude = system[f"magnitude_{galaxy}"]
    if not _takes_colours(spec, bands):
        change = np.zeros((len(magnitude), 1))
    else:
        z, cosmology = system[f"z_{galaxy}"], spec["cosmology"]
        slot, youngest = {
            "source": (_SOURCE_SED, 0.0), "lens": (_LENS_SED, spec["minimum_lens_age"]),
        }[galaxy]  # fmt: skip
        age = age_of_universe(z, cosmology["h"], cosmology["omega_m"])
        sed = choose_sed(number(slot, rows), z, photometry, youngest, age)
        if spec["k_correction"]:
            change = k_corrections(photometry, sed, z, bands)
        else:
            change = colours(photometry, sed, z, bands, spec["survey"]["detection_band"])
    return {f"magnitude_{galaxy}_{band}": magnitude + change[:, k] for k, band in enumerate(bands)}


def faint(spec: dict, system: dict) -> np.ndarray:
    """Whether systems are too faint for criterion (iv), without imaging them.

    A source at beta from an isothermal lens is magnified about 2 theta_E / beta times, counted from
    the caustic's edge for an ellipse, and about 4 theta_E / R_e times at most for its size.

    Parameters
    ----------
    spec
        The population's spec.
    system : dict of ndarray, shape (n,)
        ``theta_E``, ``q``, ``source_x``, ``source_y``, ``source_R_sersic``, and
        ``magnitude_source_<band>`` in each of `judged_bands`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    survey = spec["survey"]
    unlensed = [
        electrons(system[f"magnitude_source_{band}"], survey["bands"][band]["zero_point"], survey)
        / np.sqrt(background(survey, band).variance)
        for band in judged_bands(spec)
    ]  # over the noise of a pixel
    theta_E = system["theta_E"]
    beta = np.hypot(system["source_x"], system["source_y"])
    outside = np.maximum(beta - 0.7 * (1 - system["q"]) * theta_E, system["source_R_sersic"] / 2)
    snr = _LARGEST_SNR * 2 * theta_E / outside * np.max(unlensed, axis=0)
    return snr <= spec["criteria"]["snr"]


def _shapes(spec, universe, number, rows, system):
    """All that no cut before the image needs: shapes, lens light, centres."""
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


def candidates(
    spec: dict, universe: Universe, photometry: Photometry, keys, attempts, chosen: dict
) -> tuple:
    """Systems that pass all cuts that need no image.

    Parameters
    ----------
    spec, universe, photometry
        As for `draw_lenses`.
    keys : ndarray of uint64, shape (n,)
        Key of each image.
    attempts : ndarray of int, shape (n,)
        Which attempt of that image.
    chosen : dict of ndarray, shape (n,)
        What is given of each image: ``theta_E``, ``q`` and ``phi``, ``q`` alone, or nothing (see
        `draw_lenses`).

    Returns
    -------
    rows : ndarray of int, shape (m,)
        Which of the n passed.
    systems : dict of ndarray, shape (m,)
    fallen : dict of int
        How many fell to each of the first three of `CUTS`.
    """

    def number(slot, rows=slice(None)):
        return uniforms_of(keys[rows], attempts[rows] * _SLOTS + slot)

    rows, system = _geometry(spec, universe, number, len(keys), chosen)
    fallen = {"geometry": len(keys) - len(rows)}
    system = _sources(spec, universe, photometry, number, rows, system)

    seeing = spec["survey"]["seeing"]
    size = system["source_R_sersic"]
    keep = system["theta_E"] ** 2 > size**2 + seeing**2 / 2  # criterion (ii)
    fallen["size"] = int(np.count_nonzero(~keep))
    rows, system = rows[keep], {name: values[keep] for name, values in system.items()}

    keep = ~faint(spec, system)
    fallen["flux"] = int(np.count_nonzero(~keep))
    rows, system = rows[keep], {name: values[keep] for name, values in system.items()}
    return rows, _shapes(spec, universe, number, rows, system), fallen


Judge = Callable[[dict], tuple[np.ndarray, np.ndarray]]
"""From systems to their magnification and signal-to-noise, which take an image
(`lenscnn.detection.detector`)."""


def _first_detected(spec, judge, image, systems) -> tuple[dict, dict]:
    """The first system of each image that the survey detects, and how many fell before it.

    Systems come image by image. Those of an image are looked at one after the other, for a look
    costs far more than a system, and none is needed after the first that is detected.
    """
    criteria, seeing = spec["criteria"], spec["survey"]["seeing"]
    order = np.arange(len(image)) - np.searchsorted(image, image)  # within its image
    waiting, done = np.arange(len(image)), 0
    parts, lost = [], {"magnification": 0, "signal_to_noise": 0}
    while not parts or len(waiting):
        done += max(1, _TOGETHER // max(1, len(np.unique(image[waiting]))))
        now = order[waiting] < done
        rows, waiting = waiting[now], waiting[~now]
        looked_at = {name: values[rows] for name, values in systems.items()}
        mu, snr = judge(looked_at)
        bright = (mu > criteria["mu"]) & (mu * looked_at["source_R_sersic"] > seeing)
        detected = bright & (snr > criteria["snr"])
        lost["magnification"] += int(np.count_nonzero(~bright))
        lost["signal_to_noise"] += int(np.count_nonzero(bright & ~detected))
        looked_at |= {"mu": mu, "snr": snr, "image": image[rows]}
        hits = np.flatnonzero(detected)
        found, first = np.unique(looked_at["image"][hits], return_index=True)
        parts.append({name: values[hits[first]] for name, values in looked_at.items()})
        waiting = waiting[~np.isin(image[waiting], found)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, lost


def _which(pending: np.ndarray, chosen: dict) -> str:
    """Einstein radii of images that found no lens, where these were given."""
    if "theta_E" not in chosen:
        return ""
    theta_E = chosen["theta_E"][pending]
    return f"; their theta_E were to be {theta_E.min():.3g} to {theta_E.max():.3g} arcsec"


def draw_lenses(
    spec: dict, split: str, index: np.ndarray, judge: Judge, photometry: Photometry
) -> tuple[dict, dict]:
    """Draw the lenses of a data set that the survey detects.

    Of a training set theta_E, q and phi are given, uniform; all else is drawn until the survey
    detects the lens. Where sources lie inside the caustic (section 3.3) q of a test set is given,
    too, from its normal distribution: the caustic of a round lens is tiny, its sources are so
    highly magnified that nearly all are detected, and detection would make the sample rounder than
    the paper says it is.

    Parameters
    ----------
    spec
        ``seed``, ``draw`` (name), ``cosmology``, ``redshift``, ``sigma_v``, ``q``, ``position``,
        ``position_radius``, ``luminosity_function``, ``source_light``, ``lens_light``,
        ``light_of_mass``, ``n_sersic``, ``center_sd`` (arcsec), ``survey``, ``criteria``,
        ``scene``, ``training`` (minimum and maximum of theta_E and q, or None for
        a test set), ``k_correction`` (whether M is taken for r at rest, and not for the detection
        band as observed), ``minimum_lens_age`` (yr), ``maximum_attempts``.
    split
        Names the stream of random numbers.
    index : ndarray of int, shape (n,)
        Image indices.
    judge
        Measures a system's image.
    photometry
        Colours and K-corrections of galaxies in the survey's bands.

    Returns
    -------
    lenses : dict of ndarray, shape (n,)
        ``index``, the columns of `COLUMNS`, and magnitudes.
    fallen : dict of int
        Attempts that fell to each of `CUTS`.

    Raises
    ------
    NothingDetected
        If some image finds no system within ``maximum_attempts``, or none of them within as many
        altogether; says what fell to which cut.
    ColourError
        If colours are needed, and a band or a galaxy has none.
    """
    bands = list(spec["survey"]["bands"])
    if _takes_colours(spec, bands):
        check_bands(photometry, bands)
    universe = Universe(spec)
    stream = stream_key(spec["seed"], spec["draw"], split, "system")
    keys = image_keys(stream, index)
    given = image_keys(stream_key(spec["seed"], spec["draw"], split, "labels"), index)
    chosen = {}
    if spec["training"]:
        ranges = spec["training"]

        def label(slot, minimum, maximum):
            return minimum + (maximum - minimum) * uniforms_of(given, slot)

        chosen = {
            "theta_E": label(0, **ranges["theta_E"]),
            "q": label(1, **ranges["q"]),
            "phi": label(2, 0, np.pi),
        }
    elif spec["position"] == "caustic":
        chosen = {"q": truncated_normal(uniforms_of(given, 1), **spec["q"])}
    lenses: dict[str, np.ndarray] = {}
    fallen = dict.fromkeys(CUTS, 0)
    pending, first, tried, accepted = np.arange(len(index)), 0, 0, 0
    while len(pending):
        # Where nothing at all is found, no image need be tried that often.
        if max(first, 0 if accepted else tried) >= spec["maximum_attempts"]:
            raise NothingDetected(
                f"{len(pending)} of {len(index)} images of {split} found no lens that "
                f"{spec['survey']['name']} detects, in {tried:,} attempts altogether "
                f"(maximum_attempts is {spec['maximum_attempts']:,}); attempts that fell to each "
                "cut: "
                + ", ".join(f"{name} {count:,}" for name, count in fallen.items())
                + _which(pending, chosen)
                + ". Loosen the criteria or the population, or raise maximum_attempts"
            )
        # About every second image is done in a round: few are imaged more often than needed.
        room = max(1, MEMORY // len(pending))
        n_attempts = min(room, 64 if not accepted else max(16, tried // (2 * accepted)))
        rows = np.repeat(pending, n_attempts)
        attempts = np.tile(np.arange(first, first + n_attempts), len(pending))
        given_rows = {name: values[rows] for name, values in chosen.items()}
        passed, systems, lost = candidates(
            spec, universe, photometry, keys[rows], attempts, given_rows
        )
        systems["attempt"] = attempts[passed]
        found, missed = _first_detected(spec, judge, rows[passed], systems)
        lost |= missed
        fallen = {name: fallen[name] + lost[name] for name in CUTS}
        images = found.pop("image")
        tried, accepted = tried + len(rows), accepted + len(images)
        for name, values in found.items():
            lenses.setdefault(name, np.empty(len(index), values.dtype))[images] = values
        pending = np.setdiff1d(pending, images)
        first += n_attempts

    def number(slot, rows):
        return uniforms_of(keys[rows], lenses["attempt"][rows] * _SLOTS + slot)

    magnitudes = {}
    for galaxy in ("source", "lens"):
        magnitudes |= _magnitudes(spec, photometry, galaxy, bands, lenses, number)
    kept = {name: lenses[name] for name in COLUMNS}
    return {"index": np.asarray(index)} | kept | magnitudes, fallen
