"""pearson2019's population: early-type lenses and galaxies behind them, as two surveys detect them.

A lens is drawn by attempts. Attempt k of image i is a whole system, every number of it a hash of
(i, k); the image shows the first attempt that passes the four detection criteria of section 2.1,
so that it depends on nothing but its index. Test sets draw redshifts and velocity dispersions
and let theta_E follow; training sets fix theta_E, q and phi of an image and draw all else anew.
"""

from collections.abc import Callable

import numpy as np

from lenscnn.galaxies.distributions import truncated_normal
from lenscnn.galaxies.photometry import Photometry, check_filters
from lenscnn.papers.pearson2019.systems import (
    SLOTS,
    draw_geometry,
    draw_shapes,
    draw_sources,
    faint,
    filters_of,
    magnitudes_in,
    needs_colours,
    take,
)
from lenscnn.papers.pearson2019.universe import Universe
from lenscnn.rng.streams import image_keys, stream_key, uniforms_of

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
    "mu": "magnification of the source: its flux on the field imaged over its unlensed flux",
    "snr": "signal-to-noise ratio of the lensed source, one visit, in the best detection band",
    "attempt": "attempt that passed the criteria",
}
"""Columns of a catalogue with their meaning and unit. Beside them ``index`` names the row, and
``magnitude_source_<band>``, ``magnitude_lens_<band>`` are AB magnitudes of the unlensed source and
of the lens in each band of the survey."""

CUTS = ("geometry", "size", "flux", "magnification", "signal_to_noise")
"""Where attempts fail: sigma_v, redshifts and position (criterion i), source against Einstein
radius (ii), `faint` ones that need no image, magnification (iii), and signal-to-noise (iv)."""

MAX_ATTEMPTS_PER_BATCH = 2_000_000
"""Attempts tried together: bounds the memory, changes no lens."""

MIN_BATCH = 64
"""Systems imaged together at the least: fewer take as long."""


class NothingDetected(ValueError):
    """A survey detects none, or too few, of the lenses of a population."""


def candidates(
    spec: dict, universe: Universe, photometry: Photometry, keys, attempts, chosen: dict
) -> tuple:
    """Draw systems; return those that pass all cuts without an image, and count the others.

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
    rejected : dict of int
        How many failed by each of the first three of `CUTS`.
    """

    def number(slot, rows=slice(None)):
        return uniforms_of(keys[rows], attempts[rows] * SLOTS + slot)

    rows, system = draw_geometry(spec, universe, number, len(keys), chosen)
    rejected = {"geometry": len(keys) - len(rows)}
    system = draw_sources(spec, universe, photometry, number, rows, system)

    seeing = spec["survey"]["seeing"]
    size = system["source_R_sersic"]
    keep = system["theta_E"] ** 2 > size**2 + seeing**2 / 2  # criterion (ii)
    rejected["size"] = int(np.count_nonzero(~keep))
    rows, system = rows[keep], take(system, keep)

    keep = ~faint(spec, system)
    rejected["flux"] = int(np.count_nonzero(~keep))
    rows, system = rows[keep], take(system, keep)
    return rows, draw_shapes(spec, universe, number, rows, system), rejected


DetectionTest = Callable[[dict], tuple[np.ndarray, np.ndarray]]
"""From systems to their magnification and signal-to-noise, which take an image
(`detection.make_detection_test`)."""


def _first_detected(spec, detection_test, image, systems) -> tuple[dict, dict]:
    """Find the first detected system of each image, and count how many failed before it.

    Systems come image by image. Those of an image are imaged one after the other, for an image
    costs far more than a system, and none is needed after the first that is detected.
    """
    criteria, seeing = spec["criteria"], spec["survey"]["seeing"]
    order = np.arange(len(image)) - np.searchsorted(image, image)  # within its image
    waiting, done = np.arange(len(image)), 0
    parts, lost = [], {"magnification": 0, "signal_to_noise": 0}
    while not parts or len(waiting):
        done += max(1, MIN_BATCH // max(1, len(np.unique(image[waiting]))))
        now = order[waiting] < done
        rows, waiting = waiting[now], waiting[~now]
        imaged = {name: values[rows] for name, values in systems.items()}
        mu, snr = detection_test(imaged)
        bright = (mu > criteria["mu"]) & (mu * imaged["source_R_sersic"] > seeing)
        detected = bright & (snr > criteria["snr"])
        lost["magnification"] += int(np.count_nonzero(~bright))
        lost["signal_to_noise"] += int(np.count_nonzero(bright & ~detected))
        imaged |= {"mu": mu, "snr": snr, "image": image[rows]}
        hits = np.flatnonzero(detected)
        found, first = np.unique(imaged["image"][hits], return_index=True)
        parts.append({name: values[hits[first]] for name, values in imaged.items()})
        waiting = waiting[~np.isin(image[waiting], found)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, lost


def _which(pending: np.ndarray, chosen: dict) -> str:
    """Describe the Einstein radii of images that found no lens, where these were given."""
    if "theta_E" not in chosen:
        return ""
    theta_E = chosen["theta_E"][pending]
    return f"; their theta_E were to be {theta_E.min():.3g} to {theta_E.max():.3g} arcsec"


def draw_lenses(
    spec: dict,
    split: str,
    index: np.ndarray,
    detection_test: DetectionTest,
    photometry: Photometry,
    report: Callable[[int], None] = lambda n: None,
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
    detection_test
        Measures a system's image.
    photometry
        Colours and K-corrections of galaxies in the survey's bands.
    report
        Is told now and then how many more lenses were found.

    Returns
    -------
    lenses : dict of ndarray, shape (n,)
        ``index``, the columns of `COLUMNS`, and magnitudes.
    rejected : dict of int
        Attempts that failed by each of `CUTS`.

    Raises
    ------
    NothingDetected
        If some image finds no system within ``maximum_attempts``, or none of them within as many
        altogether; says what failed by which cut.
    ColourError
        If colours are needed, and a filter or a galaxy has none.
    """
    bands = list(spec["survey"]["bands"])
    if needs_colours(spec, bands):
        check_filters(photometry, filters_of(spec, bands))
    keys = image_keys(stream_key(spec["seed"], spec["draw"], split, "system"), index)
    chosen = _choose_labels(spec, split, index)
    lenses, rejected = _search(spec, split, keys, chosen, detection_test, photometry, report)

    def number(slot, rows):
        return uniforms_of(keys[rows], lenses["attempt"][rows] * SLOTS + slot)

    magnitudes = {}
    for galaxy in ("source", "lens"):
        magnitudes |= magnitudes_in(spec, photometry, galaxy, bands, lenses, number)
    kept = {name: lenses[name] for name in COLUMNS}
    return {"index": np.asarray(index)} | kept | magnitudes, rejected


def _choose_labels(spec: dict, split: str, index: np.ndarray) -> dict[str, np.ndarray]:
    """Draw what is given of each image before its lens is looked for."""
    given = image_keys(stream_key(spec["seed"], spec["draw"], split, "labels"), index)

    def label(slot, minimum, maximum):
        return minimum + (maximum - minimum) * uniforms_of(given, slot)

    if ranges := spec["training"]:
        return {
            "theta_E": label(0, **ranges["theta_E"]),
            "q": label(1, **ranges["q"]),
            "phi": label(2, 0, np.pi),
        }
    if spec["position"] == "caustic":
        return {"q": truncated_normal(uniforms_of(given, 1), **spec["q"])}
    return {}


def _search(
    spec: dict,
    split: str,
    keys,
    chosen: dict,
    detection_test: DetectionTest,
    photometry: Photometry,
    report: Callable[[int], None],
) -> tuple[dict, dict]:
    """Try systems for each image until the survey detects one; count the others by cut."""
    universe, n = Universe(spec), len(keys)
    lenses: dict[str, np.ndarray] = {}
    rejected = dict.fromkeys(CUTS, 0)
    pending, first, tried, accepted = np.arange(n), 0, 0, 0
    while len(pending):
        # Where nothing at all is found, no image need be tried that often.
        if max(first, 0 if accepted else tried) >= spec["maximum_attempts"]:
            raise NothingDetected(
                f"{len(pending)} of {n} images of {split} found no lens that "
                f"{spec['survey']['name']} detects, in {tried:,} attempts altogether "
                f"(maximum_attempts is {spec['maximum_attempts']:,}); attempts that failed by each "
                "cut: "
                + ", ".join(f"{name} {count:,}" for name, count in rejected.items())
                + _which(pending, chosen)
                + ". Loosen the criteria or the population, or raise maximum_attempts"
                + (" or theta_E_training.minimum" if chosen else "")
            )
        # About every second image is done in a round: few are imaged more often than needed.
        room = max(1, MAX_ATTEMPTS_PER_BATCH // len(pending))
        n_attempts = min(room, 64 if not accepted else max(16, tried // (2 * accepted)))
        rows = np.repeat(pending, n_attempts)
        attempts = np.tile(np.arange(first, first + n_attempts), len(pending))
        given = {name: values[rows] for name, values in chosen.items()}
        passed, systems, lost = candidates(spec, universe, photometry, keys[rows], attempts, given)
        systems["attempt"] = attempts[passed]
        found, missed = _first_detected(spec, detection_test, rows[passed], systems)
        lost |= missed
        rejected = {name: rejected[name] + lost[name] for name in CUTS}
        images = found.pop("image")
        tried, accepted = tried + len(rows), accepted + len(images)
        report(len(images))
        for name, values in found.items():
            lenses.setdefault(name, np.empty(n, values.dtype))[images] = values
        pending = np.setdiff1d(pending, images)
        first += n_attempts
    return lenses, rejected
