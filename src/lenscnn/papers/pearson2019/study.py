"""Figures and tables of a study of one's own: cameras of the config, as the paper shows its own."""

from dataclasses import replace

from lenscnn.core.labels import rst_text
from lenscnn.papers.paper import Available, Target
from lenscnn.papers.pearson2019.limits.targets import limits_table
from lenscnn.papers.pearson2019.specs import Pearson2019
from lenscnn.papers.pearson2019.targets import (
    examples,
    figure,
    looks,
    scatter,
    selection,
    table_changes,
    visits,
)

QUANTITIES = [["theta_E"], ["sigma_v"], ["z_lens", "z_source"]]
"""What is shown of the samples, by panel."""

TITLES = {
    "study_selection": "Study: lenses that are detected",
    "study_examples": "Study: example images",
    "study_table": "Study: errors of all networks",
    "study_limits": "Study: errors beside estimated limits",
    "study_errors": "Study: errors against properties of the lens",
    "study_snr": "Study: errors against signal-to-noise",
    "study_visits": "Study: errors against visits stacked",
    "study_scatter": "Study: errors against scatter of light about mass",
}
"""What figures and tables show, by the first words of their names."""


def targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the study; none if it has no cameras."""
    if not paper.config["study"]["cameras"]:
        return []
    names = ", ".join(rst_text(paper.label(name)) for name in paper.config["study"]["cameras"])
    return [
        replace(
            target,
            params=target.params | {"called": names},  # for the caption
            caption="pearson2019_study",
            title=_title(target.name),
        )
        for target in _targets(paper)
    ]


def _title(name: str) -> str:
    """Return what a target shows, by the first words of its name."""
    return next(title for start, title in TITLES.items() if name.startswith(start))


def _targets(paper: Pearson2019) -> list[Target]:
    study = paper.config["study"]
    cameras, views = study["cameras"], paper.study_views()
    drawn = {"views": views, "cameras": looks(paper, cameras), "note": paper.note(views)}
    binned = paper.metrics(views, "_binned")
    return [
        selection(paper, "study_selection", QUANTITIES, paper.study_samples(), "study_selection"),
        examples(paper, "study_examples", cameras),
        _table(paper),
        replace(
            limits_table(paper, paper.study_views()),
            name="study_limits",
            caption="pearson2019_study",
            title=TITLES["study_limits"],
        ),
        figure(
            "study_errors",
            {"metrics": binned},
            drawn | {"note": drawn["note"] + _unbinned(paper)},
            "fig8",
        ),
        figure("study_snr", {"binned": binned, "bright": []}, drawn | {"bright_from": 0}, "fig13"),
        *(_visits(paper, names, study["lens_light"][0]) for names in paper.study_stacks()),
        *(_scatter(paper, camera, axis) for camera in cameras for axis in study["scatter"]),
    ]


def _unbinned(paper: Pearson2019) -> str:
    """Return which Einstein radii of the study are in no bin, as the end of a stamp."""
    edges = paper.config["evaluation"]["bins"]["theta_E"]
    ranges = [
        paper.survey_of(name)["theta_E_training"] for name in paper.config["study"]["cameras"]
    ]
    if all(edges[0] <= r["minimum"] and r["maximum"] <= edges[-1] for r in ranges):
        return ""
    return f"; no bin for theta_E outside {edges[0]:g} to {edges[-1]:g} arcsec"


def _visits(paper: Pearson2019, cameras: list[str], light: str) -> Target:
    depths = {f"{name}_{light}": paper.config["cameras"][name]["visits"] for name in cameras}
    depths = dict(sorted(depths.items(), key=lambda item: item[1]))
    named = f"{', '.join(map(paper.label, cameras))}, lens light {light}"
    return _named(visits(paper, f"study_visits_{cameras[0]}", depths), named)


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
            "changed": table_changes(paper, shown),
            "run": paper.run(views),
        },
        "pearson2019_study",
        TITLES["study_table"],
    )
