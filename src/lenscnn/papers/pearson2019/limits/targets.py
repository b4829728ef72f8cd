"""Figures and tables of the limits: a line each says what they are made of."""

from dataclasses import replace

from lenscnn.papers.paper import Available, Target, changes_by_view
from lenscnn.papers.pearson2019.limits.specs import TABLE_VIEWS, fits_files, limits_metrics
from lenscnn.papers.pearson2019.specs import CAMERAS, CORE_VIEWS, LIGHTS, Pearson2019
from lenscnn.papers.pearson2019.targets import figure, looks

TITLES = {
    "limits": "Errors of networks beside estimated limits",
    "worth": "What colour, stacking and lens light are worth",
    "limits_fig8_removed": "Limits under figure 8, lens light removed",
    "limits_fig8_kept": "Limits under figure 8, lens light kept",
    "limits_fig13": "Limits under figure 13",
    "limits_fig14": "Limits under figure 14",
    "limits_misalignment": "Limits beside figures 10-12",
    "limits_fits": "Fits: errors, failures, CPU time",
    "fits": "Least-squares fits beside networks and limits",
}
"""What figures and tables show."""


def limit_targets(paper: Pearson2019) -> list[Target]:
    """Return the figures and tables of the limits."""
    return [
        *_tables(paper),
        *(
            replace(target, caption=target.script.partition("/")[2], title=TITLES[target.name])
            for target in _figures(paper)
        ),
    ]


def _tables(paper: Pearson2019) -> list[Target]:
    compared = list(dict.fromkeys((*CORE_VIEWS, *paper.visit_views)))
    removed = [f"{camera}_removed" for camera in CAMERAS]
    return [
        limits_table(paper, TABLE_VIEWS),
        _table(
            paper,
            "worth",
            compared,
            _made_of(paper, compared, "", "network"),
            {"views": compared, "pairs": _pairs(paper)},
        ),
        _table(paper, "fits", removed, {"fits": Available(fits_files(paper, removed))}, {}),
    ]


def _table(paper: Pearson2019, name: str, views, made_of: dict, params: dict) -> Target:
    return Target(
        name,
        f"tables/pearson2019_{name}",
        made_of,
        {"changed": changes_by_view(paper, views), "run": paper.run(views), **params},
        f"pearson2019_{name}",
        TITLES[name],
    )


def limits_table(paper: Pearson2019, views) -> Target:
    """Return the table of errors of networks beside their limits."""
    made_of = _made_of(paper, views, "", "network") | {"registry": "config/claims.csv"}
    return _table(paper, "limits", views, made_of, {"views": views})


def _figures(paper: Pearson2019) -> list[Target]:
    core = {"cameras": looks(paper, CAMERAS), "note": paper.note(CORE_VIEWS)}
    removed, kept = ([f"{camera}_{light}" for camera in CAMERAS] for light in LIGHTS)
    visits = {"visits": paper.visit_views, "note": paper.note(paper.visit_views)}

    def beside(name, views, number):
        inputs = {"errors": paper.metrics(views, "_binned"), **_made_of(paper, views, "binned")}
        return figure(name, inputs, {"views": views, **core}, script=f"limits_fig{number}")

    return [
        beside("limits_fig8_removed", removed, 8),
        beside("limits_fig8_kept", kept, 8),
        beside("limits_fig13", removed, 13),
        figure("limits_fig14", _made_of(paper, paper.visit_views, "", "network"), visits),
        _misalignment(paper),
        figure(
            "limits_fits",
            {"fits": Available(fits_files(paper, removed))},
            {"cameras": core["cameras"], "note": paper.note(removed)},
        ),
    ]


def _misalignment(paper: Pearson2019) -> Target:
    """Return the figure of limits beside the networks of figures 10-12."""
    axes: dict[str, dict] = {}
    networks: dict[str, list[str]] = {}
    for axis, levels in paper.scatter_views.items():
        tested, trained = levels["test"], levels["train"]
        least = min(trained, key=lambda view: trained[view])
        slacs = paper.slacs_on_axis(axis)
        axes[axis] = {"tested": tested, "trained": trained, "least": least, "slacs": slacs}
        for view in tested:
            networks.setdefault(view, []).extend([least, view] if view in trained else [least])
    inputs = {
        **_made_of(paper, networks, ""),
        "metrics": paper.metrics(networks),
        # Metrics are of the predictions that are there, which may lack these networks.
        "predictions": [
            path
            for view, used in networks.items()
            for path in paper.predictions([view], dict.fromkeys(used), first_seed_only=True)
        ],
    }
    params = {"views": list(networks), "axes": axes, "note": paper.note(networks)}
    return figure("limits_misalignment", inputs, params)


def _made_of(paper: Pearson2019, views, *kinds: str) -> dict[str, list[str]]:
    """Return the tables of limits of views, by kind."""
    return {kind or "limits": limits_metrics(paper, views, kind) for kind in kinds}


def _pairs(paper: Pearson2019) -> list[tuple[str, str, str]]:
    """Return what is compared: a text, the view that has it, and the one that has it not."""
    pairs = [("g and i beside r, " + light, f"gri_{light}", f"r_{light}") for light in LIGHTS]
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
