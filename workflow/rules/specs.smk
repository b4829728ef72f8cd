# What each step is told: parts of the config, by wildcards. Nothing here is a rule.

S, P = config["scutt"], config["pearson2019"]
READINGS = list(S["readings"])

# Which networks each view trains, and which estimates are made with them. The alpha-CNN knows N:
# from the N-CNN, as the paper's two networks in sequence do, or from the truth (section 3.2.1).
NETWORKS = {
    "fixed": ["n_cnn", "alpha_cnn"],
    "lowres": ["n_cnn", "alpha_cnn"],
    "varied": ["n_cnn", "alpha_cnn", "alpha_cnn_without_n"],
}
ESTIMATES = {
    view: networks + ["alpha_cnn_true_n"] for view, networks in NETWORKS.items()
}


wildcard_constraints:
    sample="|".join(P["draws"]),
    estimate="|".join(sorted({name for names in ESTIMATES.values() for name in names})),


def population_of(reading, draw):
    law = S["readings"][reading]["mass_function"]
    return {
        "seed": config["seed"],
        "draw": draw,
        "geometry": S["draws"][draw],
        "mass_function": S["mass_functions"][law],
        **S["population"],
    }


def population_spec(wildcards):
    return as_json(population_of(wildcards.reading, wildcards.draw))


def subsets_of(split):
    """The parts of a split: in `test` one with alpha drawn and one at each fixed alpha."""
    if split == "train":
        return [{"name": "train", "n": S["sets"]["n_train"], "alpha": None}]
    fixed = [
        {
            "name": f"alpha{float(alpha)}",
            "n": S["sets"]["n_fixed_alpha"],
            "alpha": alpha,
        }
        for alpha in S["sets"]["fixed_alphas"]
    ]
    return [{"name": "varied", "n": S["sets"]["n_test"], "alpha": None}, *fixed]


def subsets(wildcards):
    return as_json(subsets_of(wildcards.split))


def shards_of_split(split):
    n = sum(subset["n"] for subset in subsets_of(split))
    return shard_rows(n, S["sets"]["shard_size"])


def rows_of_shard(wildcards):
    first, end = shards_of_split(wildcards.split)[int(wildcards.shard)]
    return f"{first} {end}"


def catalogue_of_view(wildcards):
    draw = S["views"][wildcards.view]["draw"]
    return f"<results>/{wildcards.reading}/population/{draw}/{wildcards.split}.h5"


def view_of(name):
    view = S["views"][name]
    return {key: view[key] for key in view if key != "draw"} | S["scene"]


def view_spec(wildcards):
    return as_json(view_of(wildcards.view))


def shards_of(split):
    """Input function: the shards of one split of a view."""

    def shards(wildcards):
        return [
            f"<results>/{wildcards.reading}/images/{wildcards.view}/{split}/shard_{k}.h5"
            for k in range(len(shards_of_split(split)))
        ]

    return shards


def architecture_of(network):
    """What `lenscnn.networks.build` needs of a training spec."""
    architecture = dict(S["networks"][network])
    targets, scalars = architecture.pop("targets"), architecture.pop("scalars")
    return {"targets": targets, "scalars": scalars, "network": architecture}


def training_of(reading, view, network, seed):
    training = {key: value for key, value in S["training"].items() if key != "seeds"}
    return {
        **architecture_of(network),
        "seed": int(seed),
        "images": {
            "population": population_of(reading, S["views"][view]["draw"]),
            "view": view_of(view),
            "n": S["sets"]["n_train"],
        },
        **training,
    }


def training_spec(wildcards):
    w = wildcards
    return as_json(training_of(w.reading, w.view, w.network, w.seed))


def checkpoint_path(wildcards, output):
    weights = Path(output.weights)
    return weights.with_name(f".{weights.stem}.checkpoint").as_posix()


def network_of_estimate(estimate):
    return estimate.removesuffix("_true_n")


def estimate_spec(wildcards):
    w = wildcards
    return as_json(
        training_of(w.reading, w.view, network_of_estimate(w.estimate), w.seed)
    )


def uses_predicted_n(estimate):
    return "N" in S["networks"][network_of_estimate(estimate)]["scalars"] and (
        not estimate.endswith("_true_n")
    )


def inputs_of_estimate(wildcards):
    folder, seed = f"<results>/{wildcards.reading}", wildcards.seed
    network = network_of_estimate(wildcards.estimate)
    inputs = {"weights": f"{folder}/weights/{wildcards.view}/{network}_seed{seed}.pt"}
    if uses_predicted_n(wildcards.estimate):
        inputs["n"] = f"{folder}/predictions/{wildcards.view}/n_cnn_seed{seed}.h5"
    return inputs


def n_of_estimate(wildcards, input):
    if uses_predicted_n(wildcards.estimate):
        return input.n
    return "truth" if wildcards.estimate.endswith("_true_n") else "none"


def predictions_of(reading, view, estimates, first_seed_only=False):
    seeds = S["training"]["seeds"]
    return [
        f"<results>/{reading}/predictions/{view}/{estimate}_seed{seed}.h5"
        for estimate in estimates
        for seed in (seeds[:1] if first_seed_only else seeds)
    ]


def predictions_of_view(wildcards):
    return predictions_of(wildcards.reading, wildcards.view, ESTIMATES[wildcards.view])


def note_of(reading):
    """Stamp of a figure: a small run is not to be taken for a result."""
    n, epochs = S["sets"]["n_train"], S["training"]["epochs"]
    plural = "" if epochs == 1 else "s"
    return f"{reading}, scale {SCALE}: {n:,} training images, {epochs} epoch{plural}"


def run_of(reading):
    """What a table's caption says of the run."""
    return {"reading": reading, "scale": SCALE}


# pearson2019


def pearson_population_of(sample):
    """What a sample is drawn from, as lenscnn.population.pearson2019 takes it."""
    draw, population = P["draws"][sample], dict(P["population"])
    reading, survey = P["readings"][draw["reading"]], P["surveys"][draw["survey"]]
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
        "criteria": P["criteria"],
        "scene": P["scene"],
        "training": None,
        **population,
        "center_sd": population["center_sd"] * survey["pixel_scale"],
    }


def pearson_population_spec(wildcards):
    return as_json(pearson_population_of(wildcards.sample))


def pearson_rows(wildcards):
    rows = shard_rows(P["sets"]["n_test"], P["sets"]["lenses_per_job"])
    return "{} {}".format(*rows[int(wildcards.shard)])


def pearson_shards(sample, split):
    n = len(shard_rows(P["sets"]["n_test"], P["sets"]["lenses_per_job"]))
    return [
        f"<results>/pearson2019/population/{sample}/{split}/shard_{k}.h5"
        for k in range(n)
    ]
