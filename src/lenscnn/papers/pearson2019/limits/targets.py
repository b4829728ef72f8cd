"""Figures and tables of the limits: a line each says what they are made of."""

from lenscnn.papers.paper import Available, Target
from lenscnn.papers.pearson2019.limits.specs import fits_files, limits_metrics
from lenscnn.papers.pearson2019.specs import CAMERAS, CORE_VIEWS, Pearson2019
from lenscnn.papers.pearson2019.targets import looks

TITLES = {
    "limits": "Errors of networks beside estimated limits",
    "worth": "What colour, stacking and lens light are worth",
    "limits_fig8_removed": "Limits under figure 8, lens light removed",
    "limits_fig8_kept": "Limits under figure 8, lens light kept",
    "limits_fig13": "Limits under figure 13",
    "limits_fig14": "Limits under figure 14",
    "fits": "Least-squares fits beside networks and limits",
}
"""What figures and tables show."""


def limit_targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the limits."""
    core = {"cameras": looks(paper, CAMERAS), "note": paper.note(CORE_VIEWS)}
    removed = [f"{camera}_removed" for camera in CAMERAS]

    def made_of(views, *kinds):
        return {kind or "limits": limits_metrics(paper, views, kind) for kind in kinds}

    def table(name, views, params, **inputs):
        params |= {"views": list(views), "run": paper.run(views)}
        made = made_of(views, "", "network")
        script = f"pearson2019_{name}"
        return Target(name, f"tables/{script}", made | inputs, params, script, TITLES[name])

    def figure(name, script, inputs, params):
        script = f"pearson2019_{script}"
        return Target(name, f"figures/{script}", inputs, params, script, TITLES[name])

    return [
        table("limits", CORE_VIEWS, {}, registry="config/claims.csv"),
        table("worth", list(dict.fromkeys((*CORE_VIEWS, *paper.visit_views))), {
            "pairs": _pairs(paper)
        }),
        *(
            figure(
                f"limits_fig8_{light}",
                "limits_fig8",
                {"errors": paper.metrics(views, "_binned"), **made_of(views, "binned")},
                {"views": views, **core},
            )
            for light in ("removed", "kept")
            for views in [[f"{camera}_{light}" for camera in CAMERAS]]
        ),
        figure(
            "limits_fig13",
            "limits_fig13",
            {"errors": paper.metrics(removed, "_binned"), **made_of(removed, "binned")},
            {"views": removed, **core},
        ),
        figure(
            "limits_fig14",
            "limits_fig14",
            made_of(paper.visit_views, "", "network"),
            {"visits": paper.visit_views, "note": paper.note(paper.visit_views)},
        ),
        Target(
            "fits",
            "tables/pearson2019_fits",
            {"fits": Available(fits_files(paper, removed))},
            {"run": paper.run(removed)},
            "pearson2019_fits",
            TITLES["fits"],
        ),
    ]  # fmt: skip


def _pairs(paper: Pearson2019) -> list[tuple[str, str, str]]:
    """Return what is compared: a text, the view that has it, and the one that has it not."""
    pairs = [
        ("g and i beside r, " + light, f"gri_{light}", f"r_{light}")
        for light in ("removed", "kept")
    ]
    pairs += [
        (f"{visits} visits for 1", view, "vis_removed")
        for view, visits in paper.visit_views.items()
        if visits > 1
    ]
    pairs += [
        (f"lens light removed, {camera}", f"{camera}_removed", f"{camera}_kept")
        for camera in CAMERAS
    ]
    return pairs
