"""Figures and tables of the limits: a line each says what they are made of."""

from lenscnn.papers.paper import Available, Target
from lenscnn.papers.pearson2019.limits.specs import fits_files, limits_metrics
from lenscnn.papers.pearson2019.specs import CAMERAS, CORE_VIEWS, Pearson2019


def limit_targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the limits."""
    core = paper.note(sorted({paper.camera_sample(camera) for camera in CAMERAS}))
    removed = [f"{camera}_removed" for camera in CAMERAS]

    def made_of(views, *kinds):
        return {kind or "limits": limits_metrics(paper, views, kind) for kind in kinds}

    def table(name, views, params, **inputs):
        params |= {"views": list(views), "run": paper.run()}
        made = made_of(views, "", "network")
        return Target(
            name, f"tables/pearson2019_{name}", made | inputs, params, f"pearson2019_{name}"
        )

    def figure(name, script, inputs, params):
        return Target(
            name, f"figures/pearson2019_{script}", inputs, params, f"pearson2019_{script}"
        )

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
                {"views": views, "light": light, "note": core},
            )
            for light in ("removed", "kept")
            for views in [[f"{camera}_{light}" for camera in CAMERAS]]
        ),
        figure(
            "limits_fig13",
            "limits_fig13",
            {"errors": paper.metrics(removed, "_binned"), **made_of(removed, "binned")},
            {"cameras": list(CAMERAS), "note": core},
        ),
        figure(
            "limits_fig14",
            "limits_fig14",
            made_of(paper.visit_views, "", "network"),
            {"visits": paper.visit_views, "note": paper.note([paper.camera_sample("vis")])},
        ),
        Target(
            "fits",
            "tables/pearson2019_fits",
            {"fits": Available(fits_files(paper, removed))},
            {"run": paper.run()},
            "pearson2019_fits",
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
