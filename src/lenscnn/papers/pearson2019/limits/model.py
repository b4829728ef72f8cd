"""Expected images of pearson2019, their noise, and their derivatives by all parameters."""

from typing import NamedTuple

import numpy as np

from lenscnn.instrument.survey import FWHM, background, electrons
from lenscnn.lensing.derivatives import differentiate_galaxies
from lenscnn.papers.pearson2019.limits.parameters import ROUNDEST, by_ellipticity

_CENTER = ("center_x", "center_y")
_MASS = ("theta_E", "q", "phi", *_CENTER)
_PROFILE = ("R_sersic", "n_sersic", "q", "phi")


class Shapes(NamedTuple):
    """Images at unit unlensed flux and their derivatives, by the names of `parameters`.

    ``"image"`` is the image itself; each is of shape (n, pixels). `lens` is the lens light, which
    depends on the lens's centre, too.
    """

    source: dict[str, np.ndarray]
    lens: dict[str, np.ndarray]


def differentiate(survey: dict, scene: dict, lenses: dict) -> Shapes:
    """Draw lensed sources and lens light of a catalogue, and differentiate them.

    Parameters
    ----------
    survey, scene
        As for `scene.render_scene`.
    lenses : dict of ndarray, shape (n,)
        Columns of `population.COLUMNS`.
    """
    return Shapes(
        differentiate_sources(survey, scene, lenses),
        differentiate_lens_light(survey, scene, lenses),
    )


def differentiate_sources(survey: dict, scene: dict, lenses: dict) -> dict[str, np.ndarray]:
    """Return the first of the `Shapes` that `differentiate` gives; it takes the longer."""
    lens, source = _galaxy(lenses, "", _MASS), _galaxy(lenses, "source_", _PROFILE)
    for axis in _CENTER:
        source[axis] = lens[axis] + lenses[f"source_{axis[-1]}"]
    image, by_lens, by_source = differentiate_galaxies(lens, source, *_grid(survey, scene))
    images = {"image": image, "theta_E": by_lens["theta_E"]}
    images |= _shape("", lens, by_lens) | _profile("source_", source, by_source)
    for axis in _CENTER:
        images[f"source_{axis[-1]}"] = by_source[axis]
        images[axis] = by_source[axis] + by_lens[axis]
    return _flat(images)


def differentiate_lens_light(survey: dict, scene: dict, lenses: dict) -> dict[str, np.ndarray]:
    """Return the second of the `Shapes` that `differentiate` gives."""
    light = _galaxy(lenses, "lens_", _PROFILE) | {axis: lenses[axis] for axis in _CENTER}
    image, _, by_light = differentiate_galaxies(None, light, *_grid(survey, scene))
    images = {"image": image, **{axis: by_light[axis] for axis in _CENTER}}
    return _flat(images | _profile("lens_", light, by_light))


def _grid(survey: dict, scene: dict) -> tuple:
    """Return the arguments of `differentiate_galaxies` that follow the galaxies."""
    return (
        survey["n_pix"], survey["pixel_scale"], scene["supersampling"], survey["seeing"] / FWHM,
        scene["tolerance"],
    )  # fmt: skip


def _galaxy(lenses: dict, prefix: str, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    columns = {key: np.asarray(lenses[f"{prefix}{key}"], float) for key in keys}
    return columns | {"q": np.minimum(columns["q"], ROUNDEST)}


def _flat(images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values.reshape(len(values), -1) for name, values in images.items()}


def _shape(prefix: str, galaxy: dict, by: dict) -> dict:
    q, phi = (galaxy[key][:, None, None] for key in ("q", "phi"))
    e1_e2 = by_ellipticity(q, phi, by["q"], by["phi"])
    return dict(zip((f"{prefix}e1", f"{prefix}e2"), e1_e2, strict=True))


def _profile(prefix: str, galaxy: dict, by: dict) -> dict:
    by_log_R = by["R_sersic"] * galaxy["R_sersic"][:, None, None]
    profile = {f"{prefix}log_R_sersic": by_log_R, f"{prefix}n_sersic": by["n_sersic"]}
    return profile | _shape(prefix, galaxy, by)


def expected_images(
    survey: dict, view: dict, lenses: dict, shapes: Shapes, names: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a view's expected images, their derivatives, and the variance of their noise.

    Parameters
    ----------
    survey
        Its bands, background and readout as for `instrument.survey.background`.
    view
        ``bands``, ``visits``, ``lens_light`` as for `images.images_of`.
    lenses : dict of ndarray, shape (n,)
        For the magnitudes.
    shapes
        From `differentiate`, of the same lenses.
    names
        From `parameters.names_of`.

    Returns
    -------
    mean : ndarray, shape (n, m)
        Electrons; m counts the pixels of all bands.
    jacobian : ndarray, shape (n, k, m)
        Its derivatives by the parameters.
    variance : ndarray, shape (n, m)
        Electrons^2: sky, dark current, readout, and the photons of source and lens, also where the
        lens light was removed.
    """
    n, n_pixels = shapes.source["image"].shape
    bands, visits, kept = view["bands"], view["visits"], view["lens_light"] == "kept"
    mean, variance = (np.empty((n, len(bands), n_pixels)) for _ in range(2))
    for b, band in enumerate(bands):
        source, light = (
            _flux(survey, view, lenses, galaxy, band) * getattr(shapes, galaxy)["image"]
            for galaxy in Shapes._fields
        )
        mean[:, b] = source + light if kept else source
        variance[:, b] = source + light + background(survey, band, visits).variance
    jacobian = galaxy_jacobian(survey, view, lenses, shapes, names, "source")
    if kept:
        jacobian += galaxy_jacobian(survey, view, lenses, shapes, names, "lens")
    return mean.reshape(n, -1), jacobian, variance.reshape(n, -1)


def galaxy_jacobian(
    survey: dict, view: dict, lenses: dict, shapes: Shapes, names: list[str], galaxy: str
) -> np.ndarray:
    """Return the derivatives of the electrons expected of ``source`` or ``lens``, (n, k, m).

    All other arguments are as for `expected_images`.
    """
    images = getattr(shapes, galaxy)
    n, n_pixels = images["image"].shape
    jacobian = np.zeros((n, len(names), len(view["bands"]), n_pixels))
    for b, band in enumerate(view["bands"]):
        flux = _flux(survey, view, lenses, galaxy, band)
        for k, name in enumerate(names):
            if name in images:
                jacobian[:, k, b] = flux * images[name]
        jacobian[:, names.index(f"{galaxy}_log_flux_{band}"), b] = flux * images["image"]
    return jacobian.reshape(n, len(names), -1)


def _flux(survey: dict, view: dict, lenses: dict, galaxy: str, band: str) -> np.ndarray:
    """Return the electrons of a whole galaxy, unlensed, (n, 1)."""
    zero_point = survey["bands"][band]["zero_point"]
    magnitude = lenses[f"magnitude_{galaxy}_{band}"]
    return electrons(magnitude, zero_point, survey, view["visits"])[:, None]
