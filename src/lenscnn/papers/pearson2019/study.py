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
    light, stacks = study["lens_light"][0], paper.study_stacks()
    return [
        selection(paper, "study_selection", QUANTITIES, paper.study_samples(), "study_selection"),
        examples(paper, "study_examples", cameras),
        _table(paper),
        figure("study_errors", {"metrics": binned}, drawn, "fig8"),
        figure("study_snr", {"binned": binned, "bright": []}, drawn | {"bright_from": 0}, "fig13"),
        *(
            visits(
                paper,
                f"study_visits_{names[0]}",
                {f"{name}_{light}": paper.config["cameras"][name]["visits"] for name in names},
            )
            for names in stacks
        ),
        *(
            scatter(
                paper,
                f"study_scatter_{axis}_{camera}",
                axis,
                paper.study_scatter(camera, axis),
                f"{camera}_removed",
            )
            for camera in cameras
            for axis in study["scatter"]
        ),
    ]


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
