# What training and prediction, the same for both papers, are told. Nothing here is a rule.
from types import SimpleNamespace


wildcard_constraints:
    reading="|".join([*READINGS, "pearson2019"]),
    draw="|".join(S["draws"]),
    sample="|".join(P["draws"]),
    view="|".join([*S["views"], *PEARSON_VIEWS]),
    camera="|".join(CAMERAS),
    network="|".join([*S["networks"], *P["networks"]]),
    estimate="|".join([*sorted(set(sum(ESTIMATES.values(), []))), *PEARSON_VIEWS]),


def shards_of(split):
    """Input function: the images of one split of a view."""

    def shards(wildcards):
        if wildcards.reading == "pearson2019":
            return [f"<results>/pearson2019/images/{wildcards.view}/{split}.h5"]
        return [
            f"<results>/{wildcards.reading}/images/{wildcards.view}/{split}/shard_{k}.h5"
            for k in range(len(shards_of_split(split)))
        ]

    return shards


def architecture_of(networks, network):
    """What `lenscnn.nn.network.build` needs of a training spec."""
    architecture = dict(networks[network])
    targets, scalars = architecture.pop("targets"), architecture.pop("scalars")
    return {"targets": targets, "scalars": scalars, "network": architecture}


def images_of(reading, view, split):
    """What the images of a view are made from, as their files say it, and how many there are."""
    if reading == "pearson2019":
        draw = PEARSON_VIEWS[view]["draw"]
        return {
            "population": pearson_population_of(draw, split),
            "view": pearson_view_of(view),
            "split": split,
            "n": P["draws"][draw][f"n_{split}"],
        }
    subsets = subsets_of(split)
    return {
        "population": population_of(reading, S["views"][view]["draw"]),
        "view": view_of(reading, view),
        "subsets": subsets,
        "n": sum(subset["n"] for subset in subsets),
    }


def images_spec(split=None):
    """Parameter function: what images of a view are made from, of the wildcard's split or this."""

    def spec(wildcards):
        reading = getattr(wildcards, "reading", "pearson2019")
        return as_json(images_of(reading, wildcards.view, split or wildcards.split))

    return spec


def training_of(reading, view, network, seed):
    paper = P if reading == "pearson2019" else S
    return {
        **architecture_of(paper["networks"], network),
        "seed": int(seed),
        "images": images_of(reading, view, "train"),
        **{key: value for key, value in paper["training"].items() if key != "seeds"},
    }


def training_spec(wildcards):
    w = wildcards
    return as_json(training_of(w.reading, w.view, w.network, w.seed))


def checkpoint_path(wildcards, output):
    weights = Path(output.weights)
    return weights.with_name(f".{weights.stem}.checkpoint").as_posix()


def trained_on(wildcards):
    """View of training and network behind an estimate."""
    if wildcards.reading == "pearson2019":
        return wildcards.estimate, "cnn"
    return wildcards.view, network_of_estimate(wildcards.estimate)


def ridge_spec(wildcards):
    training = training_of(wildcards.reading, wildcards.view, "n_cnn", seed=0)
    kept = ("images", "normalise", "validation_fraction")
    return as_json(
        {key: training[key] for key in kept} | {"targets": list(RIDGE.values())}
    )


def estimate_spec(wildcards):
    if wildcards.estimate in RIDGE:
        return ridge_spec(wildcards)
    return as_json(
        training_of(wildcards.reading, *trained_on(wildcards), wildcards.seed)
    )


def made_with(reading, path):
    """Settings behind a predictions file, by its path: network, and test images."""
    path = Path(path)
    estimate, seed = path.stem.rsplit("_seed", 1)
    wildcards = SimpleNamespace(
        reading=reading, view=path.parent.name, estimate=estimate, seed=seed
    )
    training = json.loads(estimate_spec(wildcards))
    targets = [RIDGE[estimate]] if estimate in RIDGE else training["targets"]
    n_from = source_of_n(wildcards)
    return {
        "training": training,
        "images": images_of(reading, path.parent.name, "test"),
        "target": " ".join(targets),
        "n_from": f"n_cnn_seed{seed}.h5" if n_from == "n_cnn" else n_from,
    }


def settings_of_predictions(reading):
    """Parameter function of metrics: settings behind each of the predictions, in order."""
    return lambda wildcards, input: [
        as_json(made_with(reading or wildcards.reading, path))
        for path in input.predictions
    ]


def source_of_n(wildcards):
    """Where the network of an estimate has N from: truth, n_cnn, or none if it takes no N."""
    if wildcards.reading == "pearson2019" or wildcards.estimate in RIDGE:
        return "none"
    network = S["networks"][network_of_estimate(wildcards.estimate)]
    if "N" not in network["scalars"]:
        return "none"
    return "truth" if wildcards.estimate.endswith("_true_n") else "n_cnn"


def inputs_of_estimate(wildcards):
    folder, seed = f"<results>/{wildcards.reading}", wildcards.seed
    view, network = trained_on(wildcards)
    inputs = {"weights": f"{folder}/weights/{view}/{network}_seed{seed}.pt"}
    if source_of_n(wildcards) == "n_cnn":
        inputs["n"] = f"{folder}/predictions/{wildcards.view}/n_cnn_seed{seed}.h5"
    return inputs


def n_of_estimate(wildcards, input):
    source = source_of_n(wildcards)
    return input.n if source == "n_cnn" else source


def labels_kept(wildcards):
    """What predictions files keep of the images beside the estimates."""
    if wildcards.reading == "pearson2019":
        return "index snr lens_R_sersic"
    return "N alpha subset"


def mirrors_of_estimate(wildcards):
    """Give the option of predict.py that also averages over mirrored images, where wanted."""
    w = wildcards
    averaged = w.reading == "pearson2019" and w.view == w.estimate in MIRRORED_VIEWS
    return "--mirrors" if averaged else ""
