"""What the steps of Scutt are told, from the config."""

from lenscnn.papers.paper import (
    architecture,
    compose_training,
    describe_epochs,
    list_changes,
    shard_rows,
    stamp_changes,
)

RIDGE = {"ridge_n": "N", "ridge_alpha": "alpha"}
"""Estimates by ridge regression, and their targets."""


class Scutt:
    """A variant of Scutt; implements `papers.paper.Paper`.

    A view is a sample of lenses and the camera it is seen with. Its networks are trained and tested
    on it. A network that knows N has it from the N-CNN, as the paper's two networks in sequence do,
    or, as estimate ``<network>_true_n``, from the truth (section 3.2.1).

    Parameters
    ----------
    config
        The whole configuration.
    name
        Of the variant, a key of ``config["scutt"]["variants"]``.
    printed
        This variant as it is printed, or as it ran; what differs from it is said (`changed`).
    """

    kept_labels: tuple[str, ...] = ("N", "alpha", "subset")

    def __init__(self, config: dict, name: str, printed: "Scutt | None" = None):
        self.name, self.seed, self.scale = name, config["seed"], config["scale"]
        self.printed = printed
        self.config = config["scutt"]
        self.variant = self.config["variants"][name]
        self.views = list(self.config["views"])
        self.networks = list(self.config["networks"])
        self.samples = list(self.config["samples"])
        by_network = [name for view in self.views for name in self.estimates_of(view)]
        self.estimates = [*dict.fromkeys(by_network), *RIDGE]

    def networks_of(self, view: str) -> list[str]:
        """Return the networks that are trained on a view."""
        return self.config["views"][view]["networks"]

    def estimates_of(self, view: str) -> list[str]:
        """Return what is estimated by networks from the images of a view."""
        networks = self.networks_of(view)
        return [*networks, *(f"{name}_true_n" for name in networks if self._knows_n(name))]

    def _knows_n(self, network: str) -> bool:
        return "N" in self.config["networks"][network]["scalars"]

    def population_spec(self, sample: str) -> dict:
        """Return what a sample of lenses is drawn from."""
        law = self.variant["mass_function"]
        return {
            "seed": self.seed,
            "draw": sample,
            "geometry": self.config["samples"][sample],
            "mass_function": self.config["mass_functions"][law],
            **self.config["population"],
        }

    def subsets(self, split: str) -> list[dict]:
        """Return the parts of a split; a test set has one with alpha drawn, one at each alpha."""
        sets = self.config["sets"]
        if split == "train":
            return [{"name": "train", "n": sets["n_train"], "alpha": None}]
        fixed = [
            {"name": f"alpha{float(alpha)}", "n": sets["n_fixed_alpha"], "alpha": alpha}
            for alpha in sets["fixed_alphas"]
        ]
        return [{"name": "varied", "n": sets["n_test"], "alpha": None}, *fixed]

    def n_images(self, split: str) -> int:
        """Return how many images a split has."""
        return sum(subset["n"] for subset in self.subsets(split))

    def view_spec(self, view: str) -> dict:
        """Return camera, source, sampling and noise of a view."""
        scene = self.config["scene"]
        camera = {
            key: value
            for key, value in self.config["views"][view].items()
            if key not in ("sample", "networks")
        }
        noise = {"definition": self.variant["noise"], **scene["noise"]}
        return {**camera, **scene, "noise": noise}

    def images_spec(self, view: str, split: str) -> dict:
        """Return what the images of one split of a view are made from."""
        return {
            "population": self.population_spec(self.config["views"][view]["sample"]),
            "view": self.view_spec(view),
            "subsets": self.subsets(split),
            "n": self.n_images(split),
        }

    def catalogue(self, view: str, split: str) -> str:
        """Return the file of the lenses of a view."""
        sample = self.config["views"][view]["sample"]
        return f"<results>/{self.name}/population/{sample}/{split}.h5"

    def rows(self, split: str) -> list[tuple[int, int]]:
        """Return the first and last (exclusive) row of each shard of a split."""
        return shard_rows(self.n_images(split), self.config["sets"]["shard_size"])

    def shards(self, view: str, split: str) -> list[str]:
        """Return the files of the images of one split of a view, in order."""
        return [
            f"<results>/{self.name}/images/{view}/{split}/shard_{k}.h5"
            for k in range(len(self.rows(split)))
        ]

    def training_spec(self, view: str, network: str, seed: int) -> dict:
        """Return the spec of a training."""
        return compose_training(self.config, network, seed, self.images_spec(view, "train"))

    def ridge_spec(self, view: str) -> dict:
        """Return the spec of the ridge regressions on the images of a view."""
        return {
            "images": self.images_spec(view, "train"),
            "normalise": self.config["training"]["normalise"],
            "validation_fraction": self.config["training"]["validation_fraction"],
            "targets": list(RIDGE.values()),
        }

    def trained_on(self, estimate: str, view: str) -> tuple[str, str]:
        """Return the view of training and the network behind an estimate."""
        return view, estimate.removesuffix("_true_n")

    def estimate_spec(self, estimate: str, view: str, seed: int) -> dict:
        """Return the spec of the training, or of the fit, behind an estimate."""
        if estimate in RIDGE:
            return self.ridge_spec(view)
        return self.training_spec(*self.trained_on(estimate, view), seed)

    def labels_of(self, estimate: str, view: str) -> list[str]:
        """Return the labels that an estimate is of."""
        if estimate in RIDGE:
            return [RIDGE[estimate]]
        return self.config["networks"][self.trained_on(estimate, view)[1]]["targets"]

    def source_of_n(self, estimate: str) -> str:
        """Return where an estimate has N from: "truth", the N-CNN, or "none" if it takes no N."""
        if estimate in RIDGE or not self._knows_n(estimate.removesuffix("_true_n")):
            return "none"
        return "truth" if estimate.endswith("_true_n") else "n_cnn"

    def sees_mirrors(self, estimate: str, view: str) -> bool:
        """Return whether an estimate is also averaged over mirrored images: none is."""
        return False

    def predictions(self, view: str, estimates: list[str], first_seed_only=False) -> list[str]:
        """Return the predictions files of estimates from the images of a view."""
        seeds = self.config["training"]["seeds"]
        return [
            f"<results>/{self.name}/predictions/{view}/{estimate}_seed{seed}.h5"
            for estimate in estimates
            for seed in (seeds[:1] if first_seed_only else seeds)
        ]

    def ridge_predictions(self, view: str) -> list[str]:
        """Return the predictions files of the ridge regressions on a view.

        They depend on no seed; the names have one because those of networks do.
        """
        return [
            f"<results>/{self.name}/predictions/{view}/{estimate}_seed0.h5" for estimate in RIDGE
        ]

    def all_predictions(self) -> list[str]:
        """Return every predictions file of a network."""
        return [
            path for view in self.views for path in self.predictions(view, self.estimates_of(view))
        ]

    def metrics(self, view: str) -> str:
        """Return the file of the statistics of all estimates from a view."""
        return f"<results>/{self.name}/metrics/{view}.csv"

    def network(self, name: str) -> dict:
        """Return the parts of a training spec that describe a network."""
        return architecture(self.config["networks"], name)

    def changed(self, view: str) -> list[str]:
        """Return what of a view is not as in the paper, or in its author's code.

        Nothing, if there is no such view there: then nothing is printed of it.
        """
        if self.printed is None or view not in self.printed.views:
            return []
        return list_changes(self.printed.describe(view), self.describe(view))

    def changed_population(self, sample: str) -> list[str]:
        """Return what of a sample of lenses is not as in the paper, or in its author's code."""
        if self.printed is None or sample not in self.printed.samples:
            return []
        return list_changes(
            self.printed.describe_population(sample), self.describe_population(sample)
        )

    def describe_population(self, sample: str) -> dict:
        """Return what makes the lenses of a sample comparable with the paper's."""
        population = self.population_spec(sample)
        return {key: value for key, value in population.items() if key not in ("seed", "draw")}

    def describe(self, view: str) -> dict:
        """Return what makes the numbers of a view comparable with the paper's."""
        described = self.describe_population(self.config["views"][view]["sample"])
        networks = {name: self.config["networks"][name] for name in self.networks_of(view)}
        seen = self.view_spec(view)
        del seen["supersampling"]  # how finely it is computed is no part of it
        return described | seen | {"networks": networks}

    def note(self, views) -> str:
        """Return the stamp of a figure of views: a small run is not to be taken for a result."""
        n, epochs = self.config["sets"]["n_train"], describe_epochs(self.config["training"])
        text = f"{self.name}, scale {self.scale}: {n:,} training images, {epochs}"
        return text + self._stamp(views)

    def _stamp(self, views) -> str:
        return stamp_changes([change for view in views for change in self.changed(view)])

    def run(self, views) -> dict:
        """Return what a table's caption says of the run."""
        return {"paper": self.name, "scale": self.scale, "changed": self._stamp(views)}
