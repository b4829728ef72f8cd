# What the steps of scutt are told: parts of the config, by wildcards. Nothing here is a rule.

S = config["scutt"]
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


# Estimates by ridge regression, for each view, and their targets.
RIDGE = {"ridge_n": "N", "ridge_alpha": "alpha"}


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


def view_of(reading, name):
    view, scene = S["views"][name], S["scene"]
    noise = {"definition": S["readings"][reading]["noise"], **scene["noise"]}
    return {
        **{key: value for key, value in view.items() if key != "draw"},
        **scene,
        "noise": noise,
    }


def network_of_estimate(estimate):
    return estimate.removesuffix("_true_n")


def predictions_of(reading, view, estimates, first_seed_only=False):
    seeds = S["training"]["seeds"]
    return [
        f"<results>/{reading}/predictions/{view}/{estimate}_seed{seed}.h5"
        for estimate in estimates
        for seed in (seeds[:1] if first_seed_only else seeds)
    ]


def ridge_predictions(reading, view):
    # They depend on no seed; the name has one because those of networks do.
    return [
        f"<results>/{reading}/predictions/{view}/{estimate}_seed0.h5"
        for estimate in RIDGE
    ]


def predictions_of_view(wildcards):
    """Input function: estimates by networks, and by ridge regression if they are here."""
    reading, view = wildcards.reading, wildcards.view
    return predictions_of(reading, view, ESTIMATES[view]) + at_hand(
        ridge_predictions(reading, view)
    )


def note_of(reading):
    """Stamp of a figure: a small run is not to be taken for a result."""
    n, epochs = S["sets"]["n_train"], S["training"]["epochs"]
    plural = "" if epochs == 1 else "s"
    return f"{reading}, scale {SCALE}: {n:,} training images, {epochs} epoch{plural}"


def run_of(reading):
    """What a table's caption says of the run."""
    return {"reading": reading, "scale": SCALE}
