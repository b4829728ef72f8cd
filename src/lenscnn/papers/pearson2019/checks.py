"""Relations between the values of the config's part on Pearson et al. 2019."""

from lenscnn.config.checks import (
    check_entries,
    check_estimates,
    check_name,
    check_network,
    check_pooling,
    report,
)
from lenscnn.core.cosmology import age_of_universe
from lenscnn.galaxies.photometry import FILTERS
from lenscnn.papers.pearson2019.specs import CAMERAS, CAUSTIC, CONTROL_VIEW, SELECTED, scatter_of


def check(config: dict) -> None:
    """Report values that contradict each other.

    Parameters
    ----------
    config
        The part ``pearson2019``.
    """
    check_entries(config["cameras"], (*CAMERAS, "vis_dark"), "pearson2019.cameras")
    check_entries(config["networks"], ("cnn",), "pearson2019.networks")
    check_entries(config["surveys"], ("euclid", "euclid_dark"), "pearson2019.surveys")
    check_entries(config["samples"], (*SELECTED, CAUSTIC), "pearson2019.samples")
    check_entries(config["population_models"], ("bright",), "pearson2019.population_models")
    targets = ["theta_E", "e1", "e2"]
    check_estimates(config["networks"]["cnn"], targets, False, "pearson2019.networks.cnn")
    for name, network in config["networks"].items():
        check_network(network, f"pearson2019.networks.{name}")
    _check_surveys(config)
    _check_light(config)
    _check_samples(config)
    _check_cameras(config)
    _check_scatter(config)
    for name, edges in config["evaluation"]["bins"].items():
        if edges != sorted(edges):
            report(f"pearson2019.evaluation.bins.{name}", "the edges do not increase")


def _check_surveys(config: dict) -> None:
    for name, survey in config["surveys"].items():
        key = f"pearson2019.surveys.{name}"
        half = survey["n_pix"] * survey["pixel_scale"] / 2
        if survey["theta_E_training"]["maximum"] >= half:
            report(
                f"{key}.theta_E_training.maximum",
                f"{survey['theta_E_training']['maximum']:g} arcsec is not below half of what "
                f"n_pix and pixel_scale give a stamp, {half:g} arcsec: larger rings are never "
                "detected",
            )
        check_pooling(config["networks"]["cnn"], survey["n_pix"], "pearson2019.networks.cnn")
        check_name(survey["detection_band"], survey["bands"], f"{key}.detection_band")
        if config["photometry"]["k_correction"] or len(survey["bands"]) > 1:
            for band in survey["bands"]:
                if band not in FILTERS:
                    report(
                        f"{key}.bands",
                        f"galaxies have no colours in {band!r}, only in {', '.join(FILTERS)}: "
                        "add a filter to lenscnn.galaxies.photometry.FILTERS and make "
                        "data/photometry/bc03.h5 again (README.md beside it)",
                    )
    euclid, dark = (config["surveys"][name] for name in ("euclid", "euclid_dark"))
    for key in euclid.keys() | dark.keys():
        if key != "dark_current" and euclid.get(key) != dark.get(key):
            report(
                f"pearson2019.surveys.euclid_dark.{key}",
                f"{dark.get(key)} differs from that of euclid, {euclid.get(key)}: change both, "
                "for table 1 and the ledger compare them as one telescope with two dark currents",
            )


def _check_light(config: dict) -> None:
    z, youngest = (
        config["population"]["z_lens_maximum"],
        config["photometry"]["minimum_lens_age"],
    )
    if youngest >= (age := age_of_universe(z, **config["cosmology"])):
        report(
            "pearson2019.photometry.minimum_lens_age",
            f"{youngest:.3g} years is not below the age of the universe at "
            f"population.z_lens_maximum = {z:g}, {age:.3g} years",
        )
    light = config["population"]["light_of_mass"]
    if 0 < 5 * light["q_sd"] < 1 - light["q_mean"]:
        # The light of a round lens would have to be rounder than round.
        report(
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
            report(
                f"pearson2019.samples.{name}.n_test",
                "figures 1-3 fit a distribution to it; 20 lenses at least",
            )


def _check_cameras(config: dict) -> None:
    samples, cameras = config["samples"], config["cameras"]
    seen = [(f"samples.{CAUSTIC}.survey", CAUSTIC, cameras["vis"]["bands"])]
    for name, camera in cameras.items():
        if f"{name}_removed" == CONTROL_VIEW:
            report(f"pearson2019.cameras.{name}", "a view has this name; choose another")
        check_name(camera["sample"], samples, f"pearson2019.cameras.{name}.sample")
        used = [camera["sample"]]
        if name in CAMERAS and camera["sample"] in samples:
            # Beside a camera's sample there is one of its brightest lenses, for figure 13.
            used.append(f"{camera['sample']}_bright")
            check_name(used[1], samples, f"pearson2019.cameras.{name}.sample")
        seen += [(f"cameras.{name}.bands", sample, camera["bands"]) for sample in used]
    for sample in (*(camera["sample"] for camera in cameras.values()), CAUSTIC):
        if samples[sample]["n_train"] < 2:
            report(f"pearson2019.samples.{sample}.n_train", "networks are trained on this sample")
    for key, sample, bands in seen:
        survey = samples[sample]["survey"]
        for band in bands:
            if band not in config["surveys"][survey]["bands"]:
                report(
                    f"pearson2019.{key}",
                    f"survey {survey} of {sample} has no band {band!r}; it has "
                    + ", ".join(config["surveys"][survey]["bands"]),
                )


def _check_scatter(config: dict) -> None:
    # Beyond these a position angle is any, and an axis ratio the limit of what is drawn.
    for study, levels in config["misalignment"].items():
        for purpose, values in levels.items():
            for value in values:
                sigma_e, sigma_phi = scatter_of(config["population"]["light_of_mass"], study, value)
                if sigma_e > 1 or sigma_phi > 90:
                    report(
                        f"pearson2019.misalignment.{study}.{purpose}",
                        f"no light scatters by {value}, which is {sigma_phi:g} deg and "
                        f"{sigma_e:g} in axis ratio: at most 90 deg and 1 are allowed",
                    )
