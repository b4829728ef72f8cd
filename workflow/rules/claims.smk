# Every number that the papers print, beside ours.

CLAIMS_TARGETS = [f"<papers>/claims.{kind}" for kind in ("csv", "md", "html")]
CLAIM_INPUTS = {
    **{name: paper.all_predictions() for name, paper in PAPERS.items()},
    **{sample: P.catalogue(sample, "test") for sample in SELECTED},
}
# The papers' networks, for the numbers of their parameters: smaller scales have smaller ones.
PRINTED = make_papers(AS_PRINTED)


rule claims:
    input:
        **{name: available(paths) for name, paths in CLAIM_INPUTS.items()},
        registry=own("config/claims.csv"),
        reasons=own("config/reasons.csv"),
        code=code_of("scripts/claims.py"),
    output:
        csv="<papers>/claims.csv",
        page="<papers>/claims.md",
    log:
        "<logs>/claims.log",
    localrule: True
    params:
        runs={
            name: DESCRIBE_RUN[type(paper)](paper, PRINTED.get(name, PRINTED["scutt"]))
            for name, paper in PAPERS.items()
        },
        awaited={
            name: [here(path) for path in paths if path not in available(paths)]
            for name, paths in CLAIM_INPUTS.items()
        },
        samples=list(SELECTED),
        tolerances=config["claims"]["tolerance"],
        readings={"scutt": list(VARIANTS)[:2], P.name: ["as configured", "literal"]},
        run={
            "scale": SCALE,
            "note": f"{VARIANTS['scutt'].note(VARIANTS['scutt'].views)}; "
            + P.note([*CORE_VIEWS, *DARK_VIEWS, CONTROL_VIEW]),
            "uneven": [P.name] if trained_unevenly(P) else [],
        },
    script:
        "../../scripts/claims.py"


rule claims_table:
    input:
        csv="<papers>/claims.csv",
        code=code_of("scripts/claims_table.py"),
    output:
        report(
            "<papers>/claims.html",
            caption="../report/claims.rst",
            category="claims",
            labels={"target": "every claim, to sort and filter"},
        ),
    log:
        "<logs>/claims_table.log",
    localrule: True
    script:
        "../../scripts/claims_table.py"
