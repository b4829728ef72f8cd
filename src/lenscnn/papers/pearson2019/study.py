"""Figures and tables of a study of one's own: cameras of the config, as the paper shows its own."""

from dataclasses import replace

from lenscnn.papers.paper import Available, Target
from lenscnn.papers.pearson2019.specs import Pearson2019
from lenscnn.papers.pearson2019.targets import (
    examples,
    figure,
    looks,
    scatter,
    selection,
    visits,
)

QUANTITIES = [["theta_E"], ["sigma_v"], ["z_lens", "z_source"]]
"""What is shown of the samples, by panel."""


def targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the study; none if it has no cameras."""
    if not paper.config["study"]["cameras"]:
        return []
    return [replace(target, caption="pearson2019_study") for target in _targets(paper)]


def _targets(paper: Pearson2019) -> list[Target]:
    study = paper.config["study"]
    cameras, views = study["cameras"], paper.study_views()
    drawn = {"views": views, "cameras": looks(paper, cameras), "note": paper.note(views)}
    binned = paper.metrics(views, "_binned")
    return [
        selection(paper, "study_selection", QUANTITIES, paper.study_samples(), "study_selection"),
        examples(paper, "study_examples", cameras),
        _table(paper),
        figure("study_errors", {"metrics": binned}, drawn, "fig8"),
        figure("study_snr", {"binned": binned, "bright": []}, drawn | {"bright_from": 0}, "fig13"),
        *(_visits(paper, names, study["lens_light"][0]) for names in paper.study_stacks()),
        *(_scatter(paper, camera, axis) for camera in cameras for axis in study["scatter"]),
    ]


def _visits(paper: Pearson2019, cameras: list[str], light: str) -> Target:
    depths = {f"{name}_{light}": paper.config["cameras"][name]["visits"] for name in cameras}
    return _named(visits(paper, f"study_visits_{cameras[0]}", depths), paper.label(cameras[0]))


def _scatter(paper: Pearson2019, camera: str, axis: str) -> Target:
    views = paper.study_scatter(camera, axis)
    target = scatter(paper, f"study_scatter_{axis}_{camera}", axis, views, f"{camera}_removed")
    return _named(target, paper.label(camera))


def _named(target: Target, camera: str) -> Target:
    """Return a figure with the camera in its stamp: nothing else in it says whose errors it has."""
    return replace(target, params=target.params | {"note": f"{camera}. {target.params['note']}"})


def _table(paper: Pearson2019) -> Target:
    cameras, views = paper.config["study"]["cameras"], paper.study_views()
    shown = [*views, *(f"{camera}_light" for camera in cameras)]
    return Target(
        "study_table",
        "tables/pearson2019_table1",
        {"metrics": Available(paper.metrics(shown)), "registry": "config/claims.csv"},
        {
            "cameras": {name: paper.label(name) for name in cameras},
            "changed": [view for view in views if paper.changed(view)],
            "run": paper.run(views),
        },
        "pearson2019_study",
    )
