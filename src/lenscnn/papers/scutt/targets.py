"""Figures and tables of Scutt: a line each says what they are made of."""

from lenscnn.papers.paper import Target, changes_by_view
from lenscnn.papers.scutt.specs import Scutt

_BOTH = ["n_cnn", "alpha_cnn"]
FIGURES = {
    "fig5": ("fixed", _BOTH),
    "fig6": ("lowres", _BOTH),
    "fig7": ("varied", _BOTH),
    "fig8": ("varied", ["alpha_cnn_true_n"]),
}
"""Which view a figure shows, and which estimates, top to bottom."""

TABLES = {
    "table1": ("fixed", _BOTH),
    "table2": ("lowres", _BOTH),
    "table3": ("varied", _BOTH),
    "table4": ("varied", ["alpha_cnn_true_n"]),
}
"""Which view a table shows, and which estimates, left to right."""

TITLES = {
    "fig1": "Parameters of a training set",
    "fig2": "Masses of subhaloes at three slopes",
    "fig3": "A source, a lens, an image",
    "fig4": "The two networks",
    "fig5": "N and alpha, fixed geometry",
    "fig6": "N and alpha, fixed geometry, pixels of 0.2 arcsec",
    "fig7": "N and alpha, varied geometry",
    "fig8": "Alpha given the true N, varied geometry",
    "table1": "N and alpha, fixed geometry",
    "table2": "N and alpha, fixed geometry, pixels of 0.2 arcsec",
    "table3": "N and alpha, varied geometry",
    "table4": "Alpha given the true N, varied geometry",
    "limits": "How well alpha can be known without an image",
    "skill": "Every network beside simpler estimators",
}
"""What figures and tables show."""


def targets(paper: Scutt) -> list[Target]:
    """Return the figures and tables of a variant of Scutt."""
    folder, fixed = f"<results>/{paper.name}", {"note": paper.note(["fixed"])}
    varied = paper.config["samples"]["varied"]
    pixels = paper.config["views"]["fixed"]["n_pix"]
    alpha = paper.config["population"]["alpha"]
    made = [
        _figure("fig1", {"population": f"{folder}/population/varied/train.h5"}, {
            "note": paper.note(["varied"]),
            "parents": {key: varied[key] for key in ("theta_E", "q", "z_source")},
        }),
        _figure("fig2", {"sample": f"{folder}/population/masses.h5"}, fixed),
        _figure("fig3", {"example": f"{folder}/images/example.h5"}, fixed),
        _figure("fig4", {}, fixed | {
            "n_cnn": paper.network("n_cnn"), "alpha_cnn": paper.network("alpha_cnn"),
            "image_shape": [1, pixels, pixels],
        }),
    ]  # fmt: skip
    for name, (view, estimates) in FIGURES.items():
        inputs = {
            "metrics": paper.metrics(view),
            "predictions": paper.predictions(view, estimates, first_seed_only=True),
        }
        note = {"note": paper.note([view])}
        made.append(_target(name, "figures/scutt_predictions", inputs, note))
    for name, (view, estimates) in TABLES.items():
        camera = paper.config["views"][view]
        params = {
            "view": view, "seen": camera, "estimates": estimates,
            "changed": changes_by_view(paper, [view]), "run": paper.run([view]),
        }  # fmt: skip
        inputs = {"metrics": paper.metrics(view)}
        made.append(_target(name, "tables/scutt_table", inputs, params))
    inputs = {
        "metrics": [paper.metrics(view) for view in paper.views],
        "training": [paper.catalogue(view, "train") for view in paper.views],
        "n_predictions": [
            path for view in paper.views for path in paper.predictions(view, ["n_cnn"])
        ],
    }
    params = {
        "views": paper.views,
        "alpha_constant": sum(alpha.values()) / 2,
        "bootstrap": paper.config["evaluation"]["bootstrap"],
        "changed": changes_by_view(paper, paper.views),
        "run": paper.run(paper.views),
    }
    made.append(_target("skill", "tables/scutt_skill", inputs, params))
    return [*made, _limits(paper)]


def _limits(paper: Scutt) -> Target:
    """Return the table of how well alpha can be known."""
    inputs = {
        key: [f"<results>/{paper.name}/population/{sample}/{split}.h5" for sample in paper.samples]
        for key, split in (("training", "train"), ("test", "test"))
    }
    params = {
        "specs": {sample: paper.population_spec(sample) for sample in paper.samples},
        "bootstrap": paper.config["evaluation"]["bootstrap"],
        "changed": {sample: paper.changed_population(sample) for sample in paper.samples},
        "run": paper.run(paper.views),
    }
    return _target("limits", "tables/scutt_limits", inputs, params)


def _figure(name: str, inputs: dict, params: dict) -> Target:
    return _target(name, f"figures/scutt_{name}", inputs, params)


def _target(name: str, script: str, inputs: dict, params: dict) -> Target:
    return Target(name, script, inputs, params, f"scutt_{name}", TITLES[name])
