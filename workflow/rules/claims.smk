# Every number that the papers print, beside ours.

CLAIMS_TARGETS = [f"<papers>/claims.{kind}" for kind in ("csv", "md")]
CLAIMED = {
    **claimed_predictions(),
    **{draw: pearson_shards(draw, "test") for draw in PEARSON_DRAWN},
}
CLAIMED_HERE = {name: at_hand(paths) for name, paths in CLAIMED.items()}


rule claims:
    input:
        **CLAIMED_HERE,
        registry=local("config/claims.csv"),
        reasons=local("config/reasons.csv"),
        code=code_of("scripts/claims.py"),
    output:
        csv=report(
            "<papers>/claims.csv",
            caption="../report/claims.rst",
            category="claims",
            labels={"target": "claims, table"},
        ),
        page=report(
            "<papers>/claims.md",
            caption="../report/claims.rst",
            category="claims",
            labels={"target": "claims, to read"},
        ),
    log:
        "<logs>/claims.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        runs=claimed_runs(),
        awaited={
            name: [here(path) for path in paths if path not in CLAIMED_HERE[name]]
            for name, paths in CLAIMED.items()
        },
        samples=PEARSON_DRAWN,
        literal=PEARSON_LITERAL,
        tolerances=config["claims"]["tolerance"],
        readings={"scutt": READINGS[:2], "pearson2019": ["as configured", "literal"]},
        run={
            "scale": SCALE,
            "note": f"{note_of('scutt')}; {pearson_note([*PEARSON_CORE, 'euclid_dark', 'euclid_caustic'])}",
            "uneven": unevenly_trained(),
        },
    script:
        "../../scripts/claims.py"
