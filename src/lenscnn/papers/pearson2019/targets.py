"""Figures and tables of Pearson et al. 2019: a line each says what they are made of."""

from lenscnn.papers.paper import Available, Target, changes_by_view
from lenscnn.papers.pearson2019.specs import (
    CAMERAS,
    CONTROL_VIEW,
    CORE_VIEWS,
    DARK_VIEWS,
    Pearson2019,
)

SELECTION = {"fig1": ["theta_E"], "fig2": ["sigma_v"], "fig3": ["z_lens", "z_source"]}
"""What figures 1-3 show the distributions of."""

N_EXAMPLES = 5
"""Rows of figure 4: the first lenses of the test sets."""

COMPARED = {
    "fig7": [f"{camera}_removed" for camera in CAMERAS],
    "fig9": [f"{camera}_kept" for camera in CAMERAS],
}
"""Views in the figures of predicted against true values."""

SCATTER = {"fig10": "phi", "fig11": "e", "fig12": "both"}
"""What figures 10-12 scatter: orientation, ellipticity, or both."""

TABLE_VIEWS = [
    *CORE_VIEWS,
    *(f"{camera}_fitted" for camera in CAMERAS),
    *DARK_VIEWS,
    *(f"{camera}_light" for camera in CAMERAS),
]
"""Views in table 1."""

TITLES = {
    "fig1": "Einstein radii of detected lenses",
    "fig2": "Velocity dispersions of detected lenses",
    "fig3": "Redshifts of detected lenses and sources",
    "fig4": "Example images",
    "fig5": "The network",
    "fig6": "Distributions of errors, lens light removed and kept",
    "fig7": "Predicted against true, lens light removed",
    "fig8": "Errors against Einstein radius, orientation, ellipticity, size",
    "fig9": "Predicted against true, lens light kept",
    "fig10": "Light scattered about the mass in orientation",
    "fig11": "Light scattered about the mass in ellipticity",
    "fig12": "Light scattered about the mass in both",
    "fig13": "Errors against signal-to-noise",
    "fig14": "Stacks of 1 to 100 visits",
    "table1": "Errors of all networks",
}
"""What figures and tables show."""


def targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the paper, in its order."""
    core = {"cameras": looks(paper, CAMERAS), "note": paper.note(CORE_VIEWS)}
    removed = [f"{camera}_removed" for camera in CAMERAS]
    bright = [f"{camera}_bright" for camera in CAMERAS]
    return [
        *(
            selection(paper, name, [quantities], ["euclid", "lsst"], "selection")
            for name, quantities in SELECTION.items()
        ),
        examples(paper, "fig4", CAMERAS),
        figure(
            "fig5",
            {},
            {
                "network": paper.network(),
                "image_shapes": [paper.image_shape(camera) for camera in ("vis", "gri")],
                "note": f"{paper.name}, scale {paper.scale}"
                + paper.stamp(["vis_removed", "gri_removed"]),
            },
        ),
        figure(
            "fig6",
            {"predictions": paper.own_predictions(CORE_VIEWS)},
            {"views": CORE_VIEWS, **core},
        ),
        *(
            figure(
                name,
                {"predictions": paper.own_predictions(views)},
                {"views": views, **core},
                script="predictions",
            )
            for name, views in COMPARED.items()
        ),
        figure(
            "fig8",
            {"metrics": paper.metrics(CORE_VIEWS, "_binned")},
            {"views": CORE_VIEWS, **core},
        ),
        *(
            scatter(paper, name, axis, paper.scatter_views[axis], CONTROL_VIEW)
            for name, axis in SCATTER.items()
        ),
        figure(
            "fig13",
            {"binned": paper.metrics(removed, "_binned"), "bright": paper.metrics(bright)},
            {
                "views": removed,
                "bright_from": paper.config["population_models"]["bright"]["snr"],
                **core,
            },
        ),
        visits(paper, "fig14", paper.visit_views),
        Target(
            "table1",
            "tables/pearson2019_table1",
            {"metrics": Available(paper.metrics(TABLE_VIEWS)), "registry": "config/claims.csv"},
            {
                "cameras": {name: paper.label(name) for name in (*CAMERAS, "vis_dark")},
                "changed": table_changes(paper, TABLE_VIEWS),
                "run": paper.run([*CORE_VIEWS, *DARK_VIEWS]),
            },
            "pearson2019_table1",
            TITLES["table1"],
        ),
    ]


def looks(paper: Pearson2019, cameras) -> dict[str, dict]:
    """Return what figures call cameras, and their colours."""
    colours = {name: paper.config["cameras"][name]["colour"] for name in cameras}
    return {name: {"label": paper.label(name), "colour": colours[name]} for name in cameras}


def table_changes(paper: Pearson2019, views) -> dict[str, list[str]]:
    """Return what is not as the paper has it by view; of ``<camera>_light`` that of its sample."""
    cameras = [view.removesuffix("_light") for view in views if view.endswith("_light")]
    of_light = {
        f"{camera}_light": changes
        for camera in cameras
        if (changes := paper.changed(paper.camera_sample(camera)))
    }
    return changes_by_view(paper, views) | of_light


def selection(
    paper: Pearson2019, name: str, panels: list[list[str]], samples, summary: str
) -> Target:
    """Return a figure of the distributions of quantities of test samples, as figures 1-3.

    Parameters
    ----------
    paper, name
        The paper, and the name of the target.
    panels
        Quantities in each panel.
    samples
        Names of samples; ``<sample>_literal``, if there is one, is drawn beside it.
    summary
        Name of the file of moments and fits, without suffix.
    """
    literal = [f"{sample}_literal" for sample in samples if f"{sample}_literal" in paper.samples]
    labels = {sample: paper.label_of_sample(sample) for sample in samples}
    counts = " and ".join(
        f"{paper.config['samples'][sample]['n_test']:,} {labels[sample]}" for sample in samples
    )
    inputs = {
        "samples": [path for sample in samples for path in paper.catalogue(sample, "test")],
        "literal": [path for sample in literal for path in paper.catalogue(sample, "test")],
        "summary": f"<results>/{paper.name}/metrics/{summary}.csv",
    }
    note = f"{paper.name}, scale {paper.scale}: {counts} test lenses{paper.stamp(samples)}"
    params = {"panels": panels, "labels": labels, "note": note}
    script = "pearson2019_selection"
    return Target(name, f"figures/{script}", inputs, params, script, TITLES.get(name, name))


def examples(paper: Pearson2019, name: str, cameras) -> Target:
    """Return a figure of the first test images of some cameras, as figure 4."""
    described = {
        camera: {
            "label": paper.label(camera),
            "bands": paper.config["cameras"][camera]["bands"],
            "pixel_scale": paper.survey_of(camera)["pixel_scale"],
        }
        for camera in cameras
    }
    views = [f"{camera}_kept" for camera in cameras]
    note = f"{paper.name}, scale {paper.scale}{paper.stamp(views)}"
    inputs = {"examples": [f"<results>/{paper.name}/examples/{view}.h5" for view in views]}
    params = {"rows": N_EXAMPLES, "cameras": described, "note": note}
    return figure(name, inputs, params, script="fig4")


def visits(paper: Pearson2019, name: str, views: dict[str, int]) -> Target:
    """Return a figure of errors against the number of visits stacked, as figure 14.

    `views` has the number of visits of each view; networks of each are tested on all.
    """
    inputs = {
        "metrics": paper.metrics(views),
        # The metrics may be of fewer networks; this figure needs the predictions of all of them,
        # of one seed at least.
        "predictions": paper.predictions(views, views, first_seed_only=True),
    }
    params = {"visits": list(views.values()), "trained": views, "note": paper.note(views)}
    return figure(name, inputs, params, script="fig14")


def scatter(
    paper: Pearson2019, name: str, axis: str, views: dict[str, dict[str, float]], control: str
) -> Target:
    """Return a figure of errors against the scatter of light about mass, as figures 10-12.

    Parameters
    ----------
    paper, name
        The paper, and the name of the target.
    axis
        What scatters: "phi", "e" or "both".
    views
        Scatter by view, of training (``train``) and of test (``test``).
    control
        The view without lens light.
    """
    inputs = {
        "metrics": paper.metrics(views["test"]),
        # As for the number of visits.
        "predictions": paper.predictions(views["test"], views["train"], first_seed_only=True),
        "control": paper.metrics([control])[0],
    }
    params = {
        "axis": axis,
        "tested": list(views["test"].values()),
        "trained": views["train"],
        "slacs": paper.slacs_on_axis(axis),
        "note": paper.note([*views["train"], control]),
    }
    return figure(name, inputs, params, script="scatter")


def figure(name: str, inputs: dict, params: dict, script: str | None = None) -> Target:
    """Return a figure, drawn by its own script or by another figure's."""
    script = f"pearson2019_{script or name}"
    caption, title = f"pearson2019_{name}", TITLES.get(name, name)
    return Target(name, f"figures/{script}", inputs, params, caption, title)
