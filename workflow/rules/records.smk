# What the steps took and what products were made from, beside the papers' targets.

PROVENANCE_TARGETS = ["<papers>/provenance.csv"]


rule runtime_table:
    input:
        code=code_of("scripts/tables/runtimes.py"),
    output:
        report(
            "<papers>/runtime_table.csv",
            caption="../report/runtimes.rst",
            category="provenance",
            labels={"target": "time and memory of every stage"},
        ),
    log:
        "<logs>/runtime_table.log",
    localrule: True
    params:
        # Not an input: that would ask for the steps themselves.
        records=benchmark_records,
        folder=f"{PREFIX}benchmarks/{SCALE}",
        logs=f"{PREFIX}logs/{SCALE}",
    script:
        "../../scripts/tables/runtimes.py"


rule provenance_table:
    input:
        records=[
            *(path for paths in CLAIM_INPUTS.values() for path in available(paths)),
            *(
                path
                for paper in VARIANTS.values()
                for view in paper.views
                for path in available(paper.ridge_predictions(view))
            ),
        ],
        code=code_of("scripts/tables/provenance.py"),
    output:
        report(
            "<papers>/provenance.csv",
            caption="../report/provenance.rst",
            category="provenance",
            labels={"target": "what predictions and lenses were made from"},
        ),
    log:
        "<logs>/provenance_table.log",
    localrule: True
    script:
        "../../scripts/tables/provenance.py"
