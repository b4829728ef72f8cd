# What a schema cannot say of a config: relations between its values.
import math

# What may differ within one scale: where, in what portions and how often it is computed.
FREE_KEYS = {"device", "predictions", "seeds", "shard_size", "lenses_per_job"}


def values_of_scale(scale):
    """The config of a scale of the project's own; of another, None."""
    import yaml
    from snakemake.utils import update_config

    if scale not in ("paper", "quick", "smoke"):
        return None
    folder = Path(workflow.basedir, "config")
    values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    if scale != "paper":
        update_config(
            values,
            yaml.safe_load((folder / f"{scale}.yaml").read_text(encoding="utf-8")),
        )
    return values


def keep_order(values, base):
    """Order the keys of a config like those of another, in place; new keys come last.

    An overlay that names one entry of a mapping would move it to the front, and with it panels,
    columns, and which reading is the first.
    """
    known, new = [k for k in base if k in values], [k for k in values if k not in base]
    for key in (*known, *new):
        values[key] = values.pop(key)
        if isinstance(values[key], dict) and isinstance(base.get(key), dict):
            keep_order(values[key], base[key])


def check_config(config):
    """Raise WorkflowError, naming the key, if values of the config contradict each other."""
    # Here, when common.smk has said where the library is.
    from lenscnn.core.cosmology import age_of_universe
    from lenscnn.galaxies.photometry import FILTERS
    from lenscnn.records.provenance import changes

    def refuse(key, why):
        raise WorkflowError(f"config key {key}: {why}")

    def visit(node, key):
        if isinstance(node, dict):
            if {"minimum", "maximum"} <= node.keys() and not node["minimum"] < node[
                "maximum"
            ]:
                refuse(
                    key,
                    f"minimum {node['minimum']} is not below maximum {node['maximum']}",
                )
            if "sd" in node:
                # Beyond eight standard deviations there is nothing to draw.
                for end, sign in (("minimum", 1), ("maximum", -1)):
                    if sign * (node[end] - node["mean"]) > 8 * node["sd"]:
                        refuse(
                            f"{key}.{end}",
                            f"{node[end]} cuts off the whole distribution",
                        )
            if "q_sd" in node and 0 < 5 * node["q_sd"] < 1 - node["q_mean"]:
                # The light of a round lens would have to be rounder than round.
                refuse(
                    f"{key}.q_mean",
                    f"{node['q_mean']} is more than five times q_sd, {node['q_sd']}, below 1",
                )
            for name, child in node.items():
                visit(child, f"{key}.{name}" if key else name)
        elif isinstance(node, float) and not math.isfinite(node):
            refuse(key, f"{node} is not a finite number")

    visit(config, "")

    scutt = config["scutt"]
    for reading, values in scutt["readings"].items():
        if values["mass_function"] not in scutt["mass_functions"]:
            refuse(
                f"scutt.readings.{reading}.mass_function",
                f"{values['mass_function']!r} is none of {', '.join(scutt['mass_functions'])}",
            )
    z_lens = scutt["population"]["z_lens"]
    z_sources = {
        "fixed.z_source": scutt["draws"]["fixed"]["z_source"],
        "varied.z_source.minimum": scutt["draws"]["varied"]["z_source"]["minimum"],
    }
    for key, z_source in z_sources.items():
        if z_source <= z_lens:
            refuse(
                f"scutt.draws.{key}",
                f"{z_source} is not behind the lens, z_lens = {z_lens}",
            )
    networks = {
        f"{paper}.networks.{name}": network
        for paper in ("scutt", "pearson2019")
        for name, network in config[paper]["networks"].items()
    }
    for key, network in networks.items():
        n = len(network["filters"])
        if len(network["kernels"]) != n:
            refuse(f"{key}.kernels", f"one is needed for each of the {n} filters")
        if any(after > n for after in network["pool_after"]):
            refuse(f"{key}.pool_after", f"there are only {n} convolutions")

    pearson = config["pearson2019"]
    surveys = pearson["surveys"]
    for name, survey in surveys.items():
        half = survey["n_pix"] * survey["pixel_scale"] / 2
        if survey["theta_E_training"]["maximum"] >= half:
            refuse(
                f"pearson2019.surveys.{name}.theta_E_training.maximum",
                f"{survey['theta_E_training']['maximum']:g} arcsec is not below half of what "
                f"n_pix and pixel_scale give a stamp, {half:g} arcsec: such rings lie outside, "
                "and would be looked for in vain",
            )
        if survey["detection_band"] not in survey["bands"]:
            refuse(
                f"pearson2019.surveys.{name}.detection_band",
                f"{survey['detection_band']!r} is none of {', '.join(survey['bands'])}",
            )
        if pearson["photometry"]["k_correction"] or len(survey["bands"]) > 1:
            for band in survey["bands"]:
                if band not in FILTERS:
                    refuse(
                        f"pearson2019.surveys.{name}.bands",
                        f"galaxies have no colours in {band!r}, only in {', '.join(FILTERS)}: "
                        "add a filter to lenscnn.galaxies.photometry.FILTERS and make "
                        "data/photometry/bc03.h5 anew (README.md beside it)",
                    )
    for key in surveys["euclid"].keys() | surveys["euclid_dark"].keys():
        one, other = (surveys[name].get(key) for name in ("euclid", "euclid_dark"))
        if key != "dark_current" and one != other:
            refuse(
                f"pearson2019.surveys.euclid_dark.{key}",
                f"{other} differs from that of euclid, {one}: change both, for table 1 and the "
                "ledger compare them as one telescope with two dark currents",
            )
    z, youngest = (
        pearson["population"]["z_lens_maximum"],
        pearson["photometry"]["minimum_lens_age"],
    )
    age = age_of_universe(z, **pearson["cosmology"])
    if youngest >= age:
        refuse(
            "pearson2019.photometry.minimum_lens_age",
            f"{youngest:.3g} years is not below the age of the universe at "
            f"population.z_lens_maximum = {z:g}, {age:.3g} years",
        )
    for name, draw in pearson["draws"].items():
        for key, entries in (("survey", "surveys"), ("reading", "readings")):
            if draw[key] not in pearson[entries]:
                refuse(
                    f"pearson2019.draws.{name}.{key}",
                    f"{draw[key]!r} is none of {', '.join(pearson[entries])}",
                )
    for name, camera in pearson["cameras"].items():
        sample = camera["draw"]
        # Beside a camera's sample there is one of its brightest lenses, for figure 13.
        also = [] if name == "vis_dark" else [f"{sample}_bright"]
        for needed in (sample, *also):
            if needed not in pearson["draws"]:
                refuse(
                    f"pearson2019.cameras.{name}.draw",
                    f"{needed!r} is none of {', '.join(pearson['draws'])}",
                )
    trained = [camera["draw"] for camera in pearson["cameras"].values()]
    for sample in (*trained, "euclid_caustic"):
        if pearson["draws"][sample]["n_train"] < 2:
            refuse(
                f"pearson2019.draws.{sample}.n_train",
                "networks are trained on this sample",
            )
    seen = [
        (f"cameras.{name}.bands", sample, camera["bands"])
        for name, camera in pearson["cameras"].items()
        for sample in (camera["draw"], f"{camera['draw']}_bright")
        if sample in pearson["draws"]
    ]
    seen.append(
        (
            "draws.euclid_caustic.survey",
            "euclid_caustic",
            pearson["cameras"]["vis"]["bands"],
        )
    )
    for key, sample, bands in seen:
        survey = pearson["draws"][sample]["survey"]
        for band in bands:
            if band not in pearson["surveys"][survey]["bands"]:
                refuse(
                    f"pearson2019.{key}",
                    f"survey {survey} of {sample} has no band {band!r}; it has "
                    + ", ".join(pearson["surveys"][survey]["bands"]),
                )
    for sample in ("euclid", "lsst", "euclid_literal", "lsst_literal"):
        if pearson["draws"][sample]["n_test"] < 20:
            refuse(
                f"pearson2019.draws.{sample}.n_test",
                "figures 1-3 fit a distribution to it; 20 lenses at least",
            )
    # Beyond these a position angle is any, and an axis ratio the limit of what is drawn.
    slacs, limits = pearson["population"]["light_of_mass"], {"phi": 90, "e": 1}
    for study, levels in pearson["misalignment"].items():
        factors = [slacs["phi_sd"], slacs["q_sd"]] if study == "both" else [1]
        most = [limits["phi"], limits["e"]] if study == "both" else [limits[study]]
        for purpose, values in levels.items():
            for value in values:
                if any(
                    value * factor > limit
                    for factor, limit in zip(factors, most, strict=True)
                ):
                    refuse(
                        f"pearson2019.misalignment.{study}.{purpose}",
                        f"no light scatters by {value}: at most 90 deg, and 1 in axis ratio",
                    )
    for name, edges in pearson["evaluation"]["bins"].items():
        if edges != sorted(edges):
            refuse(f"pearson2019.evaluation.bins.{name}", "the edges do not increase")

    if (expected := values_of_scale(config["scale"])) is not None:
        for key, own, other in changes(expected, config):
            if key.rpartition(".")[2] not in FREE_KEYS:
                refuse(
                    key,
                    f"{other}, but {own} in what this repository calls scale {config['scale']}: "
                    "give your overlay a `scale` of its own, and its results stand beside the "
                    "others and not in their place",
                )
