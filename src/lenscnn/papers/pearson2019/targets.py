"""Figures and tables of Pearson et al. 2019: a line each says what they are made of."""

from lenscnn.papers.paper import Available, Target
from lenscnn.papers.pearson2019.limits.targets import limit_targets
from lenscnn.papers.pearson2019.specs import (
    CAMERAS,
    CAUSTIC,
    CONTROL_VIEW,
    CORE_VIEWS,
    DARK_VIEWS,
    SELECTED,
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


def targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the paper, in its order."""
    core = paper.note(sorted({paper.camera_sample(camera) for camera in CAMERAS}))
    folder, scale = f"<results>/{paper.name}", f"{paper.name}, scale {paper.scale}"
    removed = [f"{camera}_removed" for camera in CAMERAS]
    bright = [f"{camera}_bright" for camera in CAMERAS]
    return [
        *_selection(paper, scale),
        _figure(
            "fig4",
            {camera: f"{folder}/examples/{camera}_kept.h5" for camera in CAMERAS},
            {
                "rows": N_EXAMPLES,
                "pixel_scale": {
                    camera: paper.survey_of(camera)["pixel_scale"] for camera in CAMERAS
                },
                "note": scale,
            },
        ),
        _figure(
            "fig5",
            {},
            {
                "network": paper.network(),
                "image_shapes": [paper.image_shape(camera) for camera in ("vis", "gri")],
                "note": scale,
            },
        ),
        _figure(
            "fig6",
            {"predictions": paper.own_predictions(CORE_VIEWS)},
            {"views": CORE_VIEWS, "note": core},
        ),
        *(
            _figure(
                name,
                {"predictions": paper.own_predictions(views)},
                {"views": views, "note": core},
                script="predictions",
            )
            for name, views in COMPARED.items()
        ),
        _figure(
            "fig8",
            {"metrics": paper.metrics(CORE_VIEWS, "_binned")},
            {"views": CORE_VIEWS, "note": core},
        ),
        *(_scatter(paper, name, study) for name, study in SCATTER.items()),
        _figure(
            "fig13",
            {"binned": paper.metrics(removed, "_binned"), "bright": paper.metrics(bright)},
            {
                "cameras": list(CAMERAS),
                "bright_from": paper.config["population_models"]["bright"]["snr"],
                "note": core,
            },
        ),
        _figure(
            "fig14",
            {
                "metrics": paper.metrics(paper.visit_views),
                "predictions": paper.predictions(paper.visit_views, paper.visit_views),
            },
            {
                "visits": paper.config["visits"],
                "trained": paper.visit_views,
                "note": paper.note([paper.camera_sample("vis")]),
            },
        ),
        Target(
            "table1",
            "tables/pearson2019_table1",
            {"metrics": Available(paper.metrics(TABLE_VIEWS)), "registry": "config/claims.csv"},
            {"run": paper.run()},
            "pearson2019_table1",
        ),
        *limit_targets(paper),
    ]


def _selection(paper: Pearson2019, scale: str) -> list[Target]:
    """Return figures 1-3."""
    n = {survey: paper.config["samples"][survey]["n_test"] for survey in ("euclid", "lsst")}
    note = f"{scale}: {n['euclid']:,} Euclid and {n['lsst']:,} LSST test lenses"
    inputs = {sample: paper.catalogue(sample, "test") for sample in SELECTED}
    inputs |= {"summary": f"<results>/{paper.name}/metrics/selection.csv"}
    return [
        Target(
            name,
            "figures/pearson2019_selection",
            inputs,
            {"quantities": quantities, "note": note},
            "pearson2019_selection",
        )
        for name, quantities in SELECTION.items()
    ]


def _scatter(paper: Pearson2019, name: str, study: str) -> Target:
    """Return one of figures 10-12."""
    views = paper.scatter_views[study]
    inputs = {
        "metrics": paper.metrics(views["test"]),
        # The metrics may be of fewer networks; this figure needs the predictions of all of them.
        "predictions": paper.predictions(views["test"], views["train"]),
        "control": paper.metrics([CONTROL_VIEW])[0],
    }
    params = {
        "axis": study,
        "tested": list(views["test"].values()),
        "trained": views["train"],
        "slacs": paper.slacs_on_axis(study),
        "note": paper.note([CAUSTIC]),
    }
    return _figure(name, inputs, params, script="scatter")


def _figure(name: str, inputs: dict, params: dict, script: str | None = None) -> Target:
    return Target(
        name, f"figures/pearson2019_{script or name}", inputs, params, f"pearson2019_{name}"
    )
