"""What the steps of Pearson et al. 2019 are told, from the config."""

import re

from lenscnn.papers.paper import (
    architecture,
    compose_training,
    describe_epochs,
    list_changes,
    shard_rows,
    stamp_changes,
)

CAMERAS = ("vis", "r", "gri")
"""Cameras of the paper's figures, of those in the config."""

LIGHTS = ("removed", "kept")
CORE_VIEWS = [f"{camera}_{light}" for light in LIGHTS for camera in CAMERAS]
DARK_VIEWS = ["vis_dark_removed", "vis_dark_kept"]
CAUSTIC = "euclid_caustic"
"""The sample of figures 10-12."""

CONTROL_VIEW = "caustic_removed"
"""That sample without lens light."""

_OF_IMAGES = ("bands", "visits", "lens_light", "light_of_mass")
"""Parts of a view that its images are made from."""

SELECTED = ("euclid", "lsst", "euclid_literal", "lsst_literal")
"""Samples in figures 1-3."""


def scatter_of(slacs: dict, study: str, value: float) -> tuple[float, float]:
    """Return sigma_e and sigma_phi (deg) of a value on the axis of figure 10, 11 or 12.

    Parameters
    ----------
    slacs
        How light scatters about mass in SLACS: the config's ``population.light_of_mass``.
    study
        "phi", "e", or "both", in multiples of SLACS.
    value
        On the axis.
    """
    return {
        "phi": (0.0, value),
        "e": (value, 0.0),
        "both": (value * slacs["q_sd"], value * slacs["phi_sd"]),
    }[study]


def surveys_with_colours(config: dict) -> dict[str, dict]:
    """Return the surveys that samples are of, and that need colours of galaxies, by name.

    They have several bands, unless there is a K-correction.
    """
    used = {sample["survey"] for sample in config["samples"].values()}
    return {
        name: survey
        for name, survey in config["surveys"].items()
        if name in used and (config["photometry"]["k_correction"] or len(survey["bands"]) > 1)
    }


def _plain(label: str) -> str:
    """Return the letters and digits of a label, by which two read alike."""
    return re.sub(r"[\W_]", "", label.casefold())


class Pearson2019:
    """Pearson et al. 2019; implements `papers.paper.Paper`.

    A view is a camera or a sample of misaligned lenses, what becomes of the lens light, and how
    many visits are stacked. Networks bear the name of the view they are trained on.

    Parameters
    ----------
    config
        The whole configuration.
    printed
        The paper as it is printed, at the same size; what differs from it is said (`changed`).
    """

    name = "pearson2019"
    kept_labels: tuple[str, ...] = ("index", "snr", "lens_R_sersic")

    def __init__(self, config: dict, printed: "Pearson2019 | None" = None):
        self.seed, self.scale, self.printed = config["seed"], config["scale"], printed
        self.config = config["pearson2019"]
        self.networks = list(self.config["networks"])
        self.samples = list(self.config["samples"])
        self.visit_views = {
            "vis_removed" if visits == 1 else f"vis_removed_visits{visits}": visits
            for visits in self.config["visits"]
        }
        self.scatter_views = {
            study: {
                purpose: {self.scatter_view(study, value): value for value in values}
                for purpose, values in levels.items()
            }
            for study, levels in self.config["misalignment"].items()
        }
        self._views = self._describe_views() | self._describe_study()
        self.views = self.estimates = list(self._views)
        self.tested_on = self._list_tests()
        for view, networks in self._list_study_tests().items():
            tested = self.tested_on.setdefault(view, [])
            tested += [network for network in networks if network not in tested]

    def _scatter(self, study: str, value: float) -> tuple[float, float]:
        return scatter_of(self.config["population"]["light_of_mass"], study, value)

    def scatter_view(self, study: str, value: float, seen: str = "caustic") -> str:
        """Return the name of the view in which the light scatters so much about the mass."""
        sigma_e, sigma_phi = self._scatter(study, value)
        return f"{seen}_e{100 * sigma_e:g}_phi{sigma_phi:g}".replace(".", "p")

    def slacs_on_axis(self, study: str) -> float:
        """Return where the scatter of SLACS lenses, as in the main samples, is in figures 10-12."""
        slacs = self.config["population"]["light_of_mass"]
        return {"phi": slacs["phi_sd"], "e": slacs["q_sd"], "both": 1.0}[study]

    def _describe_views(self) -> dict[str, dict]:
        """Return what the views of cameras and of the paper's figures are, by name."""
        cameras, seen = self.config["cameras"], self._describe_view
        views = {f"{camera}_{light}": seen(camera, light) for camera in cameras for light in LIGHTS}
        for camera in CAMERAS:
            views[f"{camera}_fitted"] = seen(camera, "fitted")
            views[f"{camera}_bright"] = seen(
                camera, "removed", draw=f"{cameras[camera]['sample']}_bright"
            )
        for view, visits in self.visit_views.items():
            views[view] = seen("vis", "removed", visits=visits)
        for study, levels in self.config["misalignment"].items():
            for value in (*levels["train"], *levels["test"]):
                views[self.scatter_view(study, value)] = seen(
                    "vis", "kept", draw=CAUSTIC, light_of_mass=self._light_of_mass(study, value)
                )
        aligned = {"q_mean": 1.0, "q_sd": 0.0, "phi_sd": 0.0}
        views[CONTROL_VIEW] = seen("vis", "removed", draw=CAUSTIC, light_of_mass=aligned)
        return views

    def _describe_view(
        self, camera, lens_light, draw=None, visits=None, light_of_mass=None
    ) -> dict:
        """Return sample, network, bands, visits, lens light and scatter (None: as drawn)."""
        described = self.config["cameras"][camera]
        return {
            "camera": camera,
            "draw": draw or described["sample"],
            "network": described["network"],
            "bands": described["bands"],
            "visits": visits or described["visits"],
            "lens_light": lens_light,
            "light_of_mass": light_of_mass,
        }

    def _light_of_mass(self, study: str, value: float) -> dict:
        sigma_e, sigma_phi = self._scatter(study, value)
        return {"q_mean": 1.0, "q_sd": sigma_e, "phi_sd": sigma_phi}

    def study_views(self, light: str | None = None) -> list[str]:
        """Return the views of the study: of each camera with and without its lens light."""
        study = self.config["study"]
        lights = [light] if light else study["lens_light"]
        return [f"{camera}_{fate}" for fate in lights for camera in study["cameras"]]

    def study_samples(self) -> list[str]:
        """Return the samples that the cameras of the study see."""
        return list(dict.fromkeys(map(self.camera_sample, self.config["study"]["cameras"])))

    def study_stacks(self) -> list[list[str]]:
        """Return groups of cameras of the study that differ in the number of visits alone."""
        groups = {}
        for name in self.config["study"]["cameras"]:
            camera = self.config["cameras"][name]
            alike = (camera["sample"], *camera["bands"], camera["network"])
            groups.setdefault(alike, []).append(name)
        return [names for names in groups.values() if len(names) > 1]

    def study_scatter(self, camera: str, axis: str) -> dict[str, dict[str, float]]:
        """Return the views of training and of test, with the scatter of each."""
        levels = self.config["study"]["scatter"][axis]
        return {
            purpose: {self.scatter_view(axis, value, camera): value for value in values}
            for purpose, values in levels.items()
        }

    def _study_scatters(self) -> list[tuple[str, str]]:
        study = self.config["study"]
        return [(camera, axis) for camera in study["cameras"] for axis in study["scatter"]]

    def _describe_study(self) -> dict[str, dict]:
        """Return what the views of the study are, beside those of its cameras, by name."""
        return {
            view: self._describe_view(
                camera, "kept", light_of_mass=self._light_of_mass(axis, value)
            )
            for camera, axis in self._study_scatters()
            for levels in self.study_scatter(camera, axis).values()
            for view, value in levels.items()
        }

    def _list_study_tests(self) -> dict[str, list[str]]:
        """Return the networks, by training view, that are tested on each view of the study."""
        tested = {view: [view] for view in self.study_views()}
        light = self.config["study"]["lens_light"][0]
        for cameras in self.study_stacks():
            views = [f"{camera}_{light}" for camera in cameras]
            tested |= dict.fromkeys(views, views)
        for camera, axis in self._study_scatters():
            levels = self.study_scatter(camera, axis)
            for view in levels["test"]:
                tested[view] = [*tested.get(view, []), *levels["train"]]
        return tested

    def _list_tests(self) -> dict[str, list[str]]:
        """Return the networks, by training view, that are tested on each view."""
        tested = {view: [view] for view in (*CORE_VIEWS, *DARK_VIEWS, CONTROL_VIEW)}
        for camera in CAMERAS:
            for light in ("fitted", "bright"):
                tested[f"{camera}_{light}"] = [f"{camera}_removed"]
        tested |= {view: list(self.visit_views) for view in self.visit_views}
        for levels in self.scatter_views.values():
            for view in levels["test"]:
                networks = tested.setdefault(view, [])
                networks += [name for name in levels["train"] if name not in networks]
        return tested

    def sample_of(self, view: str) -> str:
        """Return the sample of lenses that a view sees."""
        return self._views[view]["draw"]

    def camera_sample(self, camera: str) -> str:
        """Return the sample of lenses that a camera sees."""
        return self.config["cameras"][camera]["sample"]

    def label(self, camera: str) -> str:
        """Return what figures and tables call a camera."""
        return self._label("cameras", camera, ("_removed", "_kept"))

    def label_of_sample(self, sample: str) -> str:
        """Return what figures call a sample."""
        return self._label("samples", sample, ("",))

    def _label(self, kind: str, name: str, views: tuple[str, ...]) -> str:
        """Return the label of a camera or a sample: one of the paper's is for what the paper has.

        `views` end the names of what it is compared by.
        """
        given = self.config[kind][name]["label"]
        label, paper = given or name, self.printed
        if paper is None:
            return label
        for other, printed in paper.config[kind].items():
            own = name == other and not given
            if (own or _plain(label) == _plain(printed["label"] or "")) and any(
                list_changes(paper.describe(other + view), self.describe(name + view))
                for view in views
            ):
                return f"{label}, changed"
        return label

    def changed(self, view: str) -> list[str]:
        """Return what of a view, or a sample, is not as the paper has it: "seeing 0.34 (0.17)".

        Nothing, if the paper has no such view: then nothing is printed of it.
        """
        if self.printed is None or view not in {*self.printed.views, *self.printed.samples}:
            return []
        return list_changes(self.printed.describe(view), self.describe(view))

    def describe(self, view: str) -> dict:
        """Return what makes the numbers of a view, or a sample, comparable with the paper's."""
        sample = self.sample_of(view) if view in self._views else view
        described = self.population_spec(sample, "test")
        # How it is computed, and the name of a survey, are no part of it.
        for key in ("seed", "draw", "scene", "training", "maximum_attempts"):
            del described[key]
        library = self.config["photometry"]["sed_library"]
        described["sed_library"] = "committed" if library == "bagpipes" else library  # the same
        described |= {"survey": {k: v for k, v in described["survey"].items() if k != "name"}}
        if view in self._views:
            described["view"] = self.images_spec(view, "test")["view"]
            described |= {"network": self.config["networks"][self._views[view]["network"]]}
        return described

    def survey_of(self, camera: str) -> dict:
        """Return the survey that a camera belongs to."""
        sample = self.config["samples"][self.camera_sample(camera)]
        return self.config["surveys"][sample["survey"]]

    def image_shape(self, camera: str) -> list[int]:
        """Return (C, H, W) of a camera's images."""
        n_pix = self.survey_of(camera)["n_pix"]
        return [len(self.config["cameras"][camera]["bands"]), n_pix, n_pix]

    def population_spec(self, sample: str, split: str) -> dict:
        """Return what one split of a sample is drawn from, as `population.draw_lenses` takes it."""
        config = self.config
        described, population = config["samples"][sample], dict(config["population"])
        model, survey = (
            config["population_models"][described["population_model"]],
            dict(config["surveys"][described["survey"]]),
        )
        labels = {"theta_E": survey.pop("theta_E_training"), "q": population.pop("q_training")}
        return {
            "seed": self.seed,
            "draw": sample,
            "cosmology": config["cosmology"],
            "redshift": {
                "prior": model["redshift_prior"],
                "z_lens": population.pop("z_lens_maximum"),
                "z_source": population.pop("z_source_maximum"),
            },
            "position": model["position"],
            "survey": {"name": described["survey"], **survey},
            "criteria": {**config["criteria"], "snr": model["snr"]},
            "scene": config["scene"],
            "training": labels if split == "train" else None,
            "maximum_attempts": model["maximum_attempts"],
            "k_correction": config["photometry"]["k_correction"],
            "minimum_lens_age": config["photometry"]["minimum_lens_age"],
            **population,
            "center_sd": population["center_sd"] * survey["pixel_scale"],
        }

    def filters(self) -> list[str]:
        """Return the filters that colours are needed in, for a table made for this config."""
        surveys = surveys_with_colours(self.config).values()
        bands = [band for survey in surveys for band in survey["bands"].values()]
        return list(dict.fromkeys(band["filter"] for band in bands))

    def rows(self, sample: str, split: str) -> list[tuple[int, int]]:
        """Return the first and last (exclusive) row of each file of a catalogue."""
        n = self.config["samples"][sample][f"n_{split}"]
        return shard_rows(n, self.config["lenses_per_job"])

    def catalogue(self, sample: str, split: str) -> list[str]:
        """Return the files of one split of a sample of lenses, in order."""
        return [
            f"<results>/{self.name}/population/{sample}/{split}/shard_{k}.h5"
            for k in range(len(self.rows(sample, split)))
        ]

    def images_spec(self, view: str, split: str) -> dict:
        """Return what the images of one split of a view are made from."""
        sample = self.sample_of(view)
        return {
            "population": self.population_spec(sample, split),
            "view": {key: self._views[view][key] for key in _OF_IMAGES},
            "split": split,
            "n": self.config["samples"][sample][f"n_{split}"],
        }

    def shards(self, view: str, split: str) -> list[str]:
        """Return the file of the images of one split of a view."""
        return [f"<results>/{self.name}/images/{view}/{split}.h5"]

    def training_spec(self, view: str, network: str, seed: int) -> dict:
        """Return the spec of a training."""
        return compose_training(self.config, network, seed, self.images_spec(view, "train"))

    def trained_on(self, estimate: str, view: str) -> tuple[str, str]:
        """Return the view of training and the network behind an estimate."""
        return estimate, self._views[estimate]["network"]

    def estimate_spec(self, estimate: str, view: str, seed: int) -> dict:
        """Return the spec of the training behind an estimate."""
        return self.training_spec(*self.trained_on(estimate, view), seed)

    def labels_of(self, estimate: str, view: str) -> list[str]:
        """Return the labels that an estimate is of."""
        return self.config["networks"][self.trained_on(estimate, view)[1]]["targets"]

    def source_of_n(self, estimate: str) -> str:
        """Return where an estimate has N from: there is no N in this paper."""
        return "none"

    def sees_mirrors(self, estimate: str, view: str) -> bool:
        """Return whether an estimate is also averaged over mirrored images, for table 1."""
        return view == estimate and view in (*CORE_VIEWS, *DARK_VIEWS, *self.study_views())

    def seeds_of(self, network: str) -> list[int]:
        """Return the training seeds of a network, named as the view that it is trained on."""
        more = self.config["more_seeds"].get(network, ())
        return list(dict.fromkeys([*self.config["training"]["seeds"], *more]))

    def predictions(self, views, networks, first_seed_only=False) -> list[str]:
        """Return the predictions files of each network on each view."""
        n_seeds = 1 if first_seed_only else None
        return [
            f"<results>/{self.name}/predictions/{view}/{network}_seed{seed}.h5"
            for view in views
            for network in networks
            for seed in self.seeds_of(network)[:n_seeds]
        ]

    def own_predictions(self, views) -> list[str]:
        """Return, for each view, the predictions of its own network, first seed."""
        return [
            path
            for view in views
            for path in self.predictions([view], [view], first_seed_only=True)
        ]

    def all_predictions(self) -> list[str]:
        """Return every predictions file of a network."""
        return [
            path
            for view, networks in self.tested_on.items()
            for path in self.predictions([view], networks)
        ]

    def metrics(self, views, kind="") -> list[str]:
        """Return the file of errors of each view; with kind ``_binned``, of errors in bins."""
        return [f"<results>/{self.name}/metrics/{view}{kind}.csv" for view in views]

    def network(self) -> dict:
        """Return the parts of a training spec that describe the paper's network."""
        return architecture(self.config["networks"], "cnn")

    def note(self, views) -> str:
        """Return the stamp of a figure made with networks trained on these views."""
        samples = {self.sample_of(view) for view in views}
        counts = sorted({self.config["samples"][sample]["n_train"] for sample in samples})
        n = " or ".join(f"{count:,}" for count in counts)
        networks = {self._views[view]["network"] for view in views}
        epochs = describe_epochs(self.config["training"])
        sizes = " or ".join(self._sizes(network) for network in sorted(networks))
        text = f"{self.name}, scale {self.scale}: {n} training images, {epochs}, {sizes}"
        return text + self.stamp(views)

    def _sizes(self, network: str) -> str:
        layers = self.config["networks"][network]
        return ", ".join(
            f"{what} {layers[what][0]}-{layers[what][-1]}" for what in ("filters", "kernels")
        )

    def stamp(self, views) -> str:
        """Return what of views, or samples, is not as the paper has it, as text."""
        return stamp_changes([change for view in views for change in self.changed(view)])

    def run(self, views) -> dict:
        """Return what a table's caption says of the run."""
        return {"paper": self.name, "scale": self.scale, "changed": self.stamp(views)}
