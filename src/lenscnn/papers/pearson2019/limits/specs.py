"""Which views of pearson2019 have limits, and where they are."""

from lenscnn.papers.pearson2019.specs import CONTROL_VIEW, CORE_VIEWS, Pearson2019

TABLE_VIEWS = (*CORE_VIEWS, CONTROL_VIEW)
"""Views in the table of limits."""


def limited_views(paper: Pearson2019) -> dict[str, list[str]]:
    """Return the views that have limits, by the sample of lenses that they are views of."""
    scattered = (view for levels in paper.scatter_views.values() for view in levels["test"])
    views: dict[str, list[str]] = {}
    limited = (*TABLE_VIEWS, *paper.visit_views, *scattered, *paper.study_views())
    for view in dict.fromkeys(limited):
        views.setdefault(paper.sample_of(view), []).append(view)
    return views


def limits_file(paper: Pearson2019, view: str) -> str:
    """Return the file of the limits of a view."""
    return f"<results>/{paper.name}/limits/{view}.h5"


def n_fitted(paper: Pearson2019, view: str) -> int:
    """Return how many images of a view are fitted: one in a hundred, and some at any scale."""
    return max(4, paper.config["samples"][paper.sample_of(view)]["n_test"] // 100)


def fits_files(paper: Pearson2019, views) -> list[str]:
    """Return the tables of fits of views."""
    return [f"<results>/{paper.name}/fits/{view}.csv" for view in views]


def limits_metrics(paper: Pearson2019, views, kind: str = "") -> list[str]:
    """Return the tables of limits of views, overall, ``binned``, or of the ``network`` beside."""
    suffix = f"_{kind}" if kind else ""
    return [f"<results>/{paper.name}/limits/{view}{suffix}.csv" for view in views]
