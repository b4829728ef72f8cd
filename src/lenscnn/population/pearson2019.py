"""pearson2019's population: early-type lenses and galaxies behind them, as two surveys detect them.

A lens is drawn by attempts. Attempt k of image i is a whole system, every number of it a hash of
(i, k); the image shows the first attempt that passes the four detection criteria of section 2.2,
so that it depends on nothing but its index. Test sets draw redshifts and velocity dispersions
and let theta_E follow; training sets fix theta_E, q and phi of an image and draw all else anew.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from lenscnn.conventions import ARCSEC, SPEED_OF_LIGHT
from lenscnn.cosmology import comoving_distance
from lenscnn.observation import background, electrons
from lenscnn.population.laws import truncated_normal
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
    "magnitude_source": "AB magnitude of the unlensed source in the detection band",
    "magnitude_lens": "AB magnitude of the lens in the detection band",
    "mu": "total magnification of the source",
    "snr": "signal-to-noise ratio of the lensed source in the detection band, one visit",
    "attempt": "attempt that passed the criteria",
}
"""Columns of a catalogue with their meaning and unit; `index` names the row."""

CUTS = ("geometry", "size", "flux", "magnification", "signal_to_noise")
"""Where attempts fail: sigma_v, redshifts and position (criterion i), source against Einstein
radius (ii), a bound on the flux that no accepted system falls below, magnification (iii), and
signal-to-noise (iv)."""

MEMORY = 2_000_000
"""Attempts looked at together: bounds the memory, changes no lens."""

_SLOTS = 32
"""Counters reserved for one attempt; the names below say what each is for."""
(
    _Z_LENS, _Z_SOURCE, _SIGMA_V, _Q, _CROSS_SECTION, _RADIUS, _ANGLE, _LUMINOSITY, _SOURCE_SIZE,
    _SOURCE_Q, _SOURCE_PHI, _SOURCE_N, _LENS_SIZE, _LENS_N, _LIGHT_Q, _LIGHT_PHI, _PHI,
    _CENTER_X, _CENTER_Y, _THETA_E,
) = range(20)  # fmt: skip


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
        """Einstein radius of an isothermal lens (equation 2), arcsec."""
        ratio = 1 - self.distance(z_lens) / self.distance(z_source)
        return 4 * np.pi * (sigma_v / SPEED_OF_LIGHT) ** 2 * ratio / ARCSEC

    def sigma_v(self, theta_E, z_lens, z_source) -> np.ndarray:
        """Velocity dispersion of the isothermal lens of this Einstein radius, km/s."""
        ratio = 1 - self.distance(z_lens) / self.distance(z_source)
        return SPEED_OF_LIGHT * np.sqrt(theta_E * ARCSEC / (4 * np.pi * ratio))


def lens_light(spec: dict, universe: Universe, sigma_v, z_lens, u_size) -> tuple:
    """Half-light radius (arcsec) and magnitude of early-type lenses.

    The size follows from the velocity dispersion with scatter (Hyde & Bernardi 2009a), the surface
    brightness from both by the fundamental plane, log10 R_e = a log10 sigma + b mu_e + c
    (Hyde & Bernardi 2009b), no K-correction.

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


def _geometry(spec, universe, number, n, chosen):
    """First cut: a lens, a source behind it, and criterion (i). Rows that pass, and columns."""
    redshift, sigma = spec["redshift"], spec["sigma_v"]
    z_lens = universe.redshift(number(_Z_LENS), redshift["z_lens"])
    z_source = universe.redshift(number(_Z_SOURCE), redshift["z_source"])
    rows = np.flatnonzero(z_source > 1.001 * z_lens + 1e-4)
    z_lens, z_source = z_lens[rows], z_source[rows]
    if chosen is None:
        sigma_v = truncated_normal(number(_SIGMA_V, rows), **sigma)
        theta_E = universe.theta_E(sigma_v, z_lens, z_source)
        q = truncated_normal(number(_Q, rows), **spec["q"])
        phi = np.pi * number(_PHI, rows)
        if spec["position"] == "cross_section":
            keep = number(_CROSS_SECTION, rows) < (theta_E / spec["position_radius"]) ** 2
        else:
            keep = np.ones(len(rows), bool)
    else:
        theta_E, q, phi = (chosen[name][rows] for name in ("theta_E", "q", "phi"))
        sigma_v = universe.sigma_v(theta_E, z_lens, z_source)
        keep = (sigma_v > sigma["minimum"]) & (sigma_v < sigma["maximum"])
    rows = rows[keep]
    system = {
        "theta_E": theta_E, "q": q, "phi": phi, "z_lens": z_lens, "z_source": z_source,
        "sigma_v": sigma_v,
    }  # fmt: skip
    system = {name: values[keep] for name, values in system.items()}
    # Uniform inside the critical curve, an ellipse of semi-axes theta_E / sqrt(q), theta_E sqrt(q).
    r, t = np.sqrt(number(_RADIUS, rows)), 2 * np.pi * number(_ANGLE, rows)
    major = system["theta_E"] / np.sqrt(system["q"]) * r * np.cos(t)
    minor = system["theta_E"] * np.sqrt(system["q"]) * r * np.sin(t)
    cos, sin = np.cos(system["phi"]), np.sin(system["phi"])
    system["source_x"], system["source_y"] = cos * major - sin * minor, sin * major + cos * minor
    keep = np.hypot(major, minor) < system["theta_E"]
    return rows[keep], {name: values[keep] for name, values in system.items()}


def _sources(spec, universe, number, rows, system):
    """Light of the sources, before they are lensed."""
    law, absolute = spec["source_light"], universe.absolute_magnitude(number(_LUMINOSITY, rows))
    z = system["z_source"]
    # Collett 2015: size of a galaxy of this magnitude and redshift, with lognormal scatter.
    log_R = -(absolute + 18) / 4 - 1.2 * np.log10((1 + z) / 1.6)
    log_R = truncated_normal(number(_SOURCE_SIZE, rows), log_R, law["size_scatter"])
    return system | {
        "magnitude_source": absolute + universe.distance_modulus(z),
        "source_R_sersic": 10**log_R * universe.arcsec_per_kpc(z),
    }


def _shapes(spec, universe, number, rows, system):
    """All that no cut before the image needs: shapes, lens light, centres."""
    law, light = spec["source_light"], spec["light_of_mass"]
    # 1 - q follows a Rayleigh distribution, cut where q would fall below its minimum.
    top = -np.expm1(-((1 - law["q_minimum"]) ** 2) / (2 * law["q_rayleigh"] ** 2))
    u = number(_SOURCE_Q, rows) * top
    R_lens, magnitude_lens = lens_light(
        spec, universe, system["sigma_v"], system["z_lens"], number(_LENS_SIZE, rows)
    )
    # q_light = q / N(mean, sd), the factor cut so that 0.1 < q_light <= 1.
    factor = truncated_normal(
        number(_LIGHT_Q, rows), light["q_mean"], light["q_sd"], system["q"], system["q"] / 0.1
    )
    scatter = np.deg2rad(light["phi_sd"]) * ndtri(number(_LIGHT_PHI, rows))
    return system | {
        "source_q": 1 - law["q_rayleigh"] * np.sqrt(-2 * np.log1p(-u)),
        "source_phi": np.pi * number(_SOURCE_PHI, rows),
        "source_n_sersic": truncated_normal(number(_SOURCE_N, rows), **spec["n_sersic"]),
        "lens_R_sersic": R_lens,
        "magnitude_lens": magnitude_lens,
        "lens_n_sersic": truncated_normal(number(_LENS_N, rows), **spec["n_sersic"]),
        "lens_q": np.clip(system["q"] / factor, 0.1, 1.0),
        "lens_phi": (system["phi"] - scatter) % np.pi,
        "center_x": spec["center_sd"] * ndtri(number(_CENTER_X, rows)),
        "center_y": spec["center_sd"] * ndtri(number(_CENTER_Y, rows)),
    }


def candidates(spec: dict, universe: Universe, keys, attempts, chosen: dict | None) -> tuple:
    """Systems that pass all cuts that need no image.

    Parameters
    ----------
    spec, universe
        As for `draw_lenses`.
    keys : ndarray of uint64, shape (n,)
        Key of each image.
    attempts : ndarray of int, shape (n,)
        Which attempt of that image.
    chosen : dict of ndarray, shape (n,), or None
        ``theta_E``, ``q``, ``phi`` where they are given (training sets).

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
    system = _sources(spec, universe, number, rows, system)

    survey = spec["survey"]
    seeing = survey["seeing"]
    size = system["source_R_sersic"]
    keep = system["theta_E"] ** 2 > size**2 + seeing**2 / 2  # criterion (ii)
    fallen["size"] = int(np.count_nonzero(~keep))
    rows, system = rows[keep], {name: values[keep] for name, values in system.items()}

    band = survey["detection_band"]
    noise = np.sqrt(background(survey, band).variance)
    flux = electrons(system["magnitude_source"], survey["bands"][band]["zero_point"], survey)
    keep = spec["flux_bound"] * flux > spec["criteria"]["snr"] * noise
    fallen["flux"] = int(np.count_nonzero(~keep))
    rows, system = rows[keep], {name: values[keep] for name, values in system.items()}
    return rows, _shapes(spec, universe, number, rows, system), fallen


Judge = Callable[[dict], tuple[np.ndarray, np.ndarray]]
"""From systems to their magnification and signal-to-noise, which take an image
(`lenscnn.simulation.detect`)."""


def draw_lenses(spec: dict, split: str, index: np.ndarray, judge: Judge) -> tuple[dict, dict]:
    """Draw the lenses of a data set that the survey detects.

    Parameters
    ----------
    spec
        ``seed``, ``draw`` (name), ``cosmology``, ``redshift``, ``sigma_v``, ``q``, ``position``,
        ``position_radius``, ``luminosity_function``, ``source_light``, ``lens_light``,
        ``light_of_mass``, ``n_sersic``, ``center_sd`` (arcsec), ``survey``, ``criteria``,
        ``flux_bound``, ``scene``, ``training`` (ranges of theta_E and q, or None for a test set),
        ``maximum_attempts``.
    split
        Names the stream of random numbers.
    index : ndarray of int, shape (n,)
        Image indices.
    judge
        Measures a system's image.

    Returns
    -------
    lenses : dict of ndarray, shape (n,)
        ``index`` and the columns of `COLUMNS`.
    fallen : dict of int
        Attempts that fell to each of `CUTS`.

    Raises
    ------
    ValueError
        If some image finds no system within ``maximum_attempts``; says what fell to which cut.
    """
    universe = Universe(spec)
    stream = stream_key(spec["seed"], spec["draw"], split, "system")
    keys = image_keys(stream, index)
    chosen = None
    if spec["training"]:
        ranges = spec["training"]
        given = image_keys(stream_key(spec["seed"], spec["draw"], split, "labels"), index)

        def label(slot, low, high):
            return low + (high - low) * uniforms_of(given, np.full(len(index), slot))

        chosen = {
            "theta_E": label(0, *ranges["theta_E"]),
            "q": label(1, *ranges["q"]),
            "phi": label(2, 0, np.pi),
        }
    lenses: dict[str, np.ndarray] = {}
    fallen = dict.fromkeys(CUTS, 0)
    pending, first, tried, accepted = np.arange(len(index)), 0, 0, 0
    while len(pending):
        if first >= spec["maximum_attempts"]:
            raise ValueError(
                f"{len(pending)} of {len(index)} images of {split} found no lens that "
                f"{spec['survey']['name']} detects in {first} attempts each (maximum_attempts); "
                "attempts that fell to each cut: "
                + ", ".join(f"{name} {count:,}" for name, count in fallen.items())
                + ". Loosen the criteria or the population, or raise maximum_attempts"
            )
        # About every second image is done in a round: few are imaged more often than needed.
        room = max(1, MEMORY // len(pending))
        n_attempts = min(room, 64 if not accepted else max(16, tried // (2 * accepted)))
        rows = np.repeat(pending, n_attempts)
        attempts = np.tile(np.arange(first, first + n_attempts), len(pending))
        given_rows = None if chosen is None else {k: v[rows] for k, v in chosen.items()}
        passed, systems, lost = candidates(spec, universe, keys[rows], attempts, given_rows)
        mu, snr = judge(systems)
        seeing = spec["survey"]["seeing"]
        bright = (mu > spec["criteria"]["mu"]) & (mu * systems["source_R_sersic"] > seeing)
        detected = bright & (snr > spec["criteria"]["snr"])
        lost |= {
            "magnification": int(np.count_nonzero(~bright)),
            "signal_to_noise": int(np.count_nonzero(bright & ~detected)),
        }
        fallen = {name: fallen[name] + lost[name] for name in CUTS}
        systems |= {"mu": mu, "snr": snr, "attempt": attempts[passed]}
        hits = np.flatnonzero(detected)
        tried, accepted = tried + len(rows), accepted + len(hits)
        # The first attempt of each image: rows come image by image with attempts in order.
        images, where = np.unique(rows[passed][hits], return_index=True)
        for name, values in systems.items():
            lenses.setdefault(name, np.empty(len(index), values.dtype))[images] = values[
                hits[where]
            ]
        pending = np.setdiff1d(pending, images)
        first += n_attempts
    return {"index": np.asarray(index)} | {name: lenses[name] for name in COLUMNS}, fallen
