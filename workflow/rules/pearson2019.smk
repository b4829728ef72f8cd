# pearson2019: the selection function, figures 1-3.

# The paper's Gaussian fits, mean and width (figures 1-3).
PEARSON_PRINTED = {
    "euclid": {
        "theta_E": (0.97, 0.45),
        "sigma_v": (279, 39),
        "z_lens": (0.72, 0.32),
        "z_source": (1.77, 0.75),
    },
    "lsst": {
        "theta_E": (1.22, 0.40),
        "sigma_v": (283, 40),
        "z_lens": (0.45, 0.23),
        "z_source": (1.51, 0.64),
    },
}
PEARSON_SELECTION = {
    "fig1": ["theta_E"],
    "fig2": ["sigma_v"],
    "fig3": ["z_lens", "z_source"],
}
PEARSON_TARGETS = [
    f"<papers>/pearson2019/{figure}.{kind}"
    for figure in PEARSON_SELECTION
    for kind in ("pdf", "png")
]


rule pearson2019:
    input:
        PEARSON_TARGETS,
    localrule: True


if config["predictions"] == "computed":

    rule pearson2019_population:
        input:
            code=code_of("scripts/pearson2019_population.py"),
        output:
            "<results>/pearson2019/population/{sample}/{split}/shard_{shard}.h5",
        log:
            "<logs>/pearson2019/population/{sample}/{split}/shard_{shard}.log",
        benchmark:
            "<benchmarks>/pearson2019/population/{sample}/{split}/shard_{shard}.tsv"
        conda:
            "../../envs/lenscnn.yaml"
        threads: 1
        resources:
            mem="4GB",
            runtime="2h",
        params:
            spec=pearson_population_spec,
            rows=pearson_rows,
        shell:
            "python {input.code[0]} --spec {params.spec:q} --split {wildcards.split}"
            " --rows {params.rows} --out {output} --threads {threads} > {log} 2>&1"


rule pearson2019_selection:
    input:
        **{draw: pearson_shards(draw, "test") for draw in PEARSON_PRINTED},
        code=code_of("scripts/pearson2019_selection.py"),
    output:
        "<results>/pearson2019/metrics/selection.csv",
    log:
        "<logs>/pearson2019/selection.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        printed=PEARSON_PRINTED,
        bootstrap=P["evaluation"]["bootstrap"],
    script:
        "../../scripts/pearson2019_selection.py"


for figure, quantities in PEARSON_SELECTION.items():

    rule:
        name:
            f"pearson2019_{figure}"
        input:
            **{draw: pearson_shards(draw, "test") for draw in P["draws"]},
            summary="<results>/pearson2019/metrics/selection.csv",
            code=code_of("scripts/figures/pearson2019_selection.py"),
        output:
            pdf=f"<papers>/pearson2019/{figure}.pdf",
            png=report(
                f"<papers>/pearson2019/{figure}.png",
                caption="../report/pearson2019_selection.rst",
                category="pearson2019",
                labels={"target": f"figure {figure[3:]}"},
            ),
        log:
            f"<logs>/pearson2019/{figure}.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            quantities=quantities,
            note=f"pearson2019, scale {SCALE}: {P['sets']['n_test']:,} test lenses a survey",
        script:
            "../../scripts/figures/pearson2019_selection.py"
