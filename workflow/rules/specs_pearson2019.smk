# What the steps of pearson2019 are told: parts of the config, by wildcards. Nothing here is a rule.
#
# A view is a camera or a sample of misaligned lenses, what becomes of the lens light,
# and how many visits are stacked. Networks bear the name of the view they are trained on.

P = config["pearson2019"]
CAMERAS = ["vis", "r", "gri"]
CORE_VIEWS = [
    f"{camera}_{light}" for light in ("removed", "kept") for camera in CAMERAS
]
DARK_VIEWS = ["vis_dark_removed", "vis_dark_kept"]
# Where the network of a view is also tested on mirrored images, for table 1.
MIRRORED_VIEWS = [*CORE_VIEWS, *DARK_VIEWS]
VISIT_VIEWS = {
    "vis_removed" if visits == 1 else f"vis_removed_visits{visits}": visits
    for visits in P["visits"]
}
CONTROL_VIEW = "caustic_removed"


def scatter_of(study, value):
    """sigma_e and sigma_phi (deg) of a value on the axis of figure 10, 11 or 12."""
    slacs = P["population"]["light_of_mass"]
    return {
        "phi": (0.0, value),
        "e": (value, 0.0),
        "both": (value * slacs["q_sd"], value * slacs["phi_sd"]),
    }[study]


def scatter_view(study, value):
    sigma_e, sigma_phi = scatter_of(study, value)
    return f"caustic_e{100 * sigma_e:g}_phi{sigma_phi:g}".replace(".", "p")


# Of each study, its views for training and for testing, by the value on the figure's axis.
SCATTER_VIEWS = {
    study: {
        purpose: {scatter_view(study, value): value for value in values}
        for purpose, values in levels.items()
    }
    for study, levels in P["misalignment"].items()
}


def pearson_views():
    """Every view: its sample, bands, visits, lens light and scatter (None: as in the sample)."""

    def seen(camera, lens_light, draw=None, visits=1):
        return {
            "draw": draw or P["cameras"][camera]["draw"],
            "bands": P["cameras"][camera]["bands"],
            "visits": visits,
            "lens_light": lens_light,
            "light_of_mass": None,
        }

    views = {
        f"{camera}_{light}": seen(camera, light)
        for camera in P["cameras"]
        for light in ("removed", "kept")
    }
    for camera in CAMERAS:
        bright = P["cameras"][camera]["draw"] + "_bright"
        views[f"{camera}_fitted"] = seen(camera, "fitted")
        views[f"{camera}_bright"] = seen(camera, "removed", draw=bright)
    for view, visits in VISIT_VIEWS.items():
        views[view] = seen("vis", "removed", visits=visits)
    for study, levels in P["misalignment"].items():
        for value in (*levels["train"], *levels["test"]):
            sigma_e, sigma_phi = scatter_of(study, value)
            scatter = {"q_mean": 1.0, "q_sd": sigma_e, "phi_sd": sigma_phi}
            views[scatter_view(study, value)] = seen(
                "vis", "kept", draw="euclid_caustic"
            ) | {"light_of_mass": scatter}
    control = seen("vis", "removed", draw="euclid_caustic")
    aligned = {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0}
    views[CONTROL_VIEW] = control | {"light_of_mass": aligned}
    return views


PEARSON_VIEWS = pearson_views()


def networks_tested_on():
    """Of each view that something is tested on, the views of training of the networks."""
    tested = {view: [view] for view in (*CORE_VIEWS, *DARK_VIEWS, CONTROL_VIEW)}
    for camera in CAMERAS:
        for light in ("fitted", "bright"):
            tested[f"{camera}_{light}"] = [f"{camera}_removed"]
    tested |= {view: list(VISIT_VIEWS) for view in VISIT_VIEWS}
    for levels in SCATTER_VIEWS.values():
        for view in levels["test"]:
            networks = tested.setdefault(view, [])
            networks += [name for name in levels["train"] if name not in networks]
    return tested


TESTED_ON = networks_tested_on()


def pearson_population_of(sample, split):
    """What a sample is drawn from, as lenscnn.papers.pearson2019.population takes it."""
    draw, population = P["draws"][sample], dict(P["population"])
    reading, survey = P["readings"][draw["reading"]], dict(P["surveys"][draw["survey"]])
    labels = {
        "theta_E": survey.pop("theta_E_training"),
        "q": population.pop("q_training"),
    }
    return {
        "seed": config["seed"],
        "draw": sample,
        "cosmology": P["cosmology"],
        "redshift": {
            "prior": reading["redshift_prior"],
            "z_lens": population.pop("z_lens_maximum"),
            "z_source": population.pop("z_source_maximum"),
        },
        "position": reading["position"],
        "survey": {"name": draw["survey"], **survey},
        "criteria": {**P["criteria"], "snr": reading["snr"]},
        "scene": P["scene"],
        "training": labels if split == "train" else None,
        "maximum_attempts": reading["maximum_attempts"],
        "k_correction": P["photometry"]["k_correction"],
        "minimum_lens_age": P["photometry"]["minimum_lens_age"],
        **population,
        "center_sd": population["center_sd"] * survey["pixel_scale"],
    }


def pearson_population_spec(wildcards):
    return as_json(pearson_population_of(wildcards.sample, wildcards.split))


def pearson_rows_of(sample, split):
    return shard_rows(P["draws"][sample][f"n_{split}"], P["lenses_per_job"])


def pearson_rows(wildcards):
    rows = pearson_rows_of(wildcards.sample, wildcards.split)
    return "{} {}".format(*rows[int(wildcards.shard)])


def pearson_shards(sample, split):
    return [
        f"<results>/pearson2019/population/{sample}/{split}/shard_{k}.h5"
        for k in range(len(pearson_rows_of(sample, split)))
    ]


def pearson_photometry():
    if P["photometry"]["sed_library"] == "committed":
        return local("data/photometry/bc03.h5")
    return "<results>/pearson2019/photometry.h5"


def survey_of(camera):
    return P["surveys"][P["draws"][P["cameras"][camera]["draw"]]["survey"]]


def pixel_scale_of(camera):
    return survey_of(camera)["pixel_scale"]


def stamp_of(camera):
    return [survey_of(camera)["n_pix"]] * 2


def slacs_on_axis(study):
    """Where the scatter of SLACS lenses, which the main samples have, lies in figures 10-12."""
    slacs = P["population"]["light_of_mass"]
    return {"phi": slacs["phi_sd"], "e": slacs["q_sd"], "both": 1.0}[study]


def pearson_catalogue(wildcards):
    return pearson_shards(PEARSON_VIEWS[wildcards.view]["draw"], wildcards.split)


def pearson_examples(wildcards):
    return pearson_shards(PEARSON_VIEWS[wildcards.view]["draw"], "test")[:1]


def pearson_rows_of_view(wildcards):
    sample = PEARSON_VIEWS[wildcards.view]["draw"]
    return f"0 {P['draws'][sample][f'n_{wildcards.split}']}"


def pearson_view_of(view):
    return {k: value for k, value in PEARSON_VIEWS[view].items() if k != "draw"}


def pearson_predictions(views, networks):
    """Of each view, the estimates of each network."""
    return [
        f"<results>/pearson2019/predictions/{view}/{network}_seed{seed}.h5"
        for view in views
        for network in networks
        for seed in P["training"]["seeds"]
    ]


def pearson_predictions_of_view(wildcards):
    """Metrics are of the networks that there are; of none they are not to be made."""
    files = pearson_predictions([wildcards.view], TESTED_ON[wildcards.view])
    return at_hand(files) or files


def pearson_own_predictions(views):
    """Of each view, the estimates of the first network that was trained on it."""
    seed = P["training"]["seeds"][0]
    return [
        f"<results>/pearson2019/predictions/{view}/{view}_seed{seed}.h5"
        for view in views
    ]


def pearson_metrics(views, kind=""):
    return [f"<results>/pearson2019/metrics/{view}{kind}.csv" for view in views]


def pearson_table_metrics(wildcards):
    """Table 1 shows what there is; without anything it is not to be made."""
    files = pearson_metrics(PEARSON_TABLE_VIEWS)
    return at_hand(files) or files


def pearson_note(samples):
    """Stamp of a figure that networks trained on these samples are behind."""
    draws, epochs = P["draws"], P["training"]["epochs"]
    counts = sorted({draws[sample]["n_train"] for sample in samples})
    n = " or ".join(f"{count:,}" for count in counts)
    plural = "" if epochs == 1 else "s"
    network = P["networks"]["cnn"]
    sizes = ", ".join(
        f"{what} {network[what][0]}-{network[what][-1]}"
        for what in ("filters", "kernels")
    )
    return f"pearson2019, scale {SCALE}: {n} training images, {epochs} epoch{plural}, {sizes}"
