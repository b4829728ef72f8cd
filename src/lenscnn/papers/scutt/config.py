"""The part of the config on Scutt."""

from typing import Annotated, Literal

from pydantic import Field

from lenscnn.config.model import (
    Count,
    Distinct,
    Name,
    Network,
    Number,
    Section,
    Training,
    TruncatedNormal,
    setting,
    within,
)


class Variant(Section):
    """A reading of the paper, with all its targets."""

    mass_function: str = setting("Name of an entry of mass_functions.")
    noise: Literal["integrated", "integrated_bright", "peak", "peak_fraction"] = setting(
        "What sets the noise of an image: integrated, integrated_bright and peak reach "
        "scene.noise.snr, peak_fraction is a fraction of the peak; see "
        "docs/explanation/scutt.md."
    )


class MassFunction(Section):
    """A law from which subhalo masses are drawn."""

    law: Literal["powerlaw", "decades"] = setting(
        "powerlaw = continuous dN/dM ~ M^alpha; decades = masses 10^k with probability ~ k^alpha."
    )
    minimum: Number = setting("Lowest subhalo mass.", unit="Msun", gt=0)
    maximum: Number = setting("Highest subhalo mass.", unit="Msun", gt=0)


class Alpha(Section):
    """Limits between which the slope is drawn uniformly."""

    minimum: Number = setting("Steepest slope.")
    maximum: Number = setting("Shallowest slope.")


class LensMass(Section):
    """Mass that sets the subhalo budget."""

    kind: Literal["constant", "munari"] = setting(
        "constant, or munari = from theta_E by equations 2.2 and 2.3 with their slips mended."
    )
    constant: Number = setting("The mass of every lens if kind is constant.", unit="Msun", gt=0)


class VelocityScaling(Section):
    """sigma_v = A (h M / 1e15 Msun)^beta, Munari et al. 2013 equation 1."""

    A: Number = setting("Velocity dispersion at 1e15/h solar masses.", unit="km/s", gt=0)
    h: Number = setting("H(z) over 100 km/s/Mpc.", gt=0)
    beta: Number = setting("Exponent.", le=1, gt=0)


class Population(Section):
    """What fills a lens with subhaloes."""

    alpha: Alpha = setting("Limits between which the slope is drawn uniformly.")
    z_lens: Number = setting("Redshift of every lens.", gt=0)
    omega_m: Number = setting(
        "Matter density over the critical density, flat universe.", le=1, gt=0
    )
    lens_mass: LensMass = setting("Mass that sets the subhalo budget.")
    velocity_scaling: VelocityScaling = setting(
        "sigma_v = A (h M / 1e15 Msun)^beta, Munari et al. 2013 equation 1."
    )
    subhalo_scale: Literal["as_run", "self_consistent"] = setting(
        "as_run = Einstein radii from velocity_scaling; self_consistent = theta_E "
        "(m/M_lens)^(2 beta)."
    )
    substructure_fraction: Number = setting("Mass in subhaloes over the lens mass.", gt=0, lt=1)
    substructure_radius: Number = setting(
        "Radius of the disc that subhaloes fill, in units of theta_E.", gt=0
    )
    maximum_subhaloes: Count = setting(
        "More subhaloes than this in one lens is an error.", unit="count", ge=1
    )


class Fixed(Section):
    """One geometry for all."""

    kind: Literal["fixed"] = setting("Says that the numbers below are used as they are.")
    theta_E: Number = setting("Einstein radius.", unit="arcsec", gt=0)
    q: Number = setting("Axis ratio; 1 is a sphere.", ge=0.1, le=1)
    phi: Number = setting("Position angle of the major axis counter-clockwise from +x.", unit="rad")
    center_x: Number = setting("Lens centre.", unit="arcsec")
    center_y: Number = setting("Lens centre.", unit="arcsec")
    z_source: Number = setting("Source redshift.", gt=0)


class Varied(Section):
    """A new geometry for each lens; position angles are uniform."""

    kind: Literal["varied"] = setting("Says that the distributions below are drawn from.")
    theta_E: Annotated[TruncatedNormal, within(gt=0)] = setting("Einstein radius.", unit="arcsec")
    q: Annotated[TruncatedNormal, within(ge=0.1, le=1)] = setting("Axis ratio.")
    center: Number = setting(
        "Lens centres are uniform within plus or minus this.", unit="arcsec", ge=0
    )
    z_source: TruncatedNormal = setting("Source redshift.")


class Samples(Section):
    """How lens geometries are drawn."""

    fixed: Fixed = setting("One geometry for all.")
    varied: Varied = setting("A new geometry for each lens; position angles are uniform.")


class View(Section):
    """What is drawn, the camera it is seen with, and the networks trained on it."""

    networks: Annotated[list[str], Distinct] = setting(
        "Networks that are trained on this view; n_cnn must be one of them where another knows N.",
    )
    sample: Literal["fixed", "varied"] = setting("Name of an entry of samples.")
    n_pix: Count = setting("Pixels on a side of the stamp.", unit="count", ge=8, le=512)
    pixel_scale: Number = setting("Size of a pixel.", unit="arcsec", gt=0)
    psf_sigma: Number = setting(
        "Standard deviation of the Gaussian point spread function.", unit="arcsec", gt=0
    )


class Noise(Section):
    """Strength of the noise, by the definition that each reading has."""

    snr: Number = setting("Signal-to-noise ratio for integrated, integrated_bright and peak.", gt=0)
    peak_fraction: Number = setting(
        "Noise sigma over peak flux for the definition of that name.", gt=0
    )


class Scene(Section):
    """Source, sampling and noise."""

    source_sigma: Number = setting(
        "Standard deviation of the Gaussian source.", unit="arcsec", gt=0
    )
    supersampling: Count = setting(
        "Sub-pixels on a side over which a pixel is integrated.", unit="count", ge=1, le=8
    )
    noise: Noise = setting("Strength of the noise, by the definition that each reading has.")


class Sets(Section):
    """Sizes of the data sets."""

    n_train: Count = setting("Training images, validation included.", unit="count", ge=20)
    n_test: Count = setting("Test images with alpha drawn.", unit="count", ge=2)
    n_fixed_alpha: Count = setting("Test images at each fixed alpha.", unit="count", ge=2)
    fixed_alphas: Annotated[list[Number], Distinct] = setting("The fixed slopes.", min_length=1)
    shard_size: Count = setting(
        "Images in one file and one job; changes no image.", unit="count", ge=1
    )


class Evaluation(Section):
    """How results are measured and drawn."""

    bootstrap: Count = setting("Resamplings behind each error bar.", unit="count", ge=2)
    mass_sample: Count = setting(
        "Lenses averaged in the mass distributions of figure 2.", unit="count", ge=1
    )


class ScuttConfig(Section):
    """Scutt: dark subhaloes and their mass function."""

    variants: dict[Annotated[str, Field(pattern="^scutt(_[a-z]+)*$")], Variant] = setting(
        "Variants: readings of the paper, each with all its targets."
    )
    mass_functions: dict[Name, MassFunction] = setting("Laws from which subhalo masses are drawn.")
    population: Population = setting("What fills a lens with subhaloes.")
    samples: Samples = setting("How lens geometries are drawn.")
    views: dict[Name, View] = setting("Each sees one sample with one camera.")
    scene: Scene = setting("Source, sampling and noise.")
    sets: Sets = setting("Sizes of the data sets.")
    networks: dict[Name, Network] = setting("The networks.")
    training: Training = setting("How networks are trained.")
    evaluation: Evaluation = setting("How results are measured and drawn.")
