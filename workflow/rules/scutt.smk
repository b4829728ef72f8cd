# scutt: every figure and table, once for each reading of the paper.
# `scutt_fig5` and `paper_figures/<scale>/scutt/fig5.pdf` are the same target.

# Which view a figure or a table shows, and which estimates, top to bottom.
SCUTT_FIGURES = {
    "fig5": ("fixed", ["n_cnn", "alpha_cnn"]),
    "fig6": ("lowres", ["n_cnn", "alpha_cnn"]),
    "fig7": ("varied", ["n_cnn", "alpha_cnn"]),
    "fig8": ("varied", ["alpha_cnn_true_n"]),
}
SCUTT_TABLES = {
    "table1": ("fixed", ["n_cnn", "alpha_cnn"]),
    "table2": ("lowres", ["n_cnn", "alpha_cnn"]),
    "table3": ("varied", ["n_cnn", "alpha_cnn"]),
    "table4": ("varied", ["alpha_cnn_true_n"]),
}
SCUTT_TARGETS = {
    reading: [
        f"<papers>/{reading}/{name}.{kind}"
        for names, kinds in (
            ([f"fig{k}" for k in range(1, 9)], ("pdf", "png")),
            ([*SCUTT_TABLES, "skill"], ("csv", "tex")),
        )
        for name in names
        for kind in kinds
    ]
    for reading in READINGS
}

# The baseline needs images: with released predictions there is none, or one that is released too.
if config["predictions"] == "computed":

    rule ridge:
        input:
            train=shards_of("train"),
            test=shards_of("test"),
            code=code_of("scripts/ridge.py"),
        output:
            ridge_predictions("{reading}", "{view}"),
        log:
            "<logs>/{reading}/ridge/{view}.log",
        benchmark:
            "<benchmarks>/{reading}/ridge/{view}/ridge.tsv"
        wildcard_constraints:
            reading="|".join(READINGS),
        conda:
            "../../envs/lenscnn.yaml"
        threads: 1
        resources:
            mem=growing(8, "GB"),
            runtime=growing(1, "h"),
        params:
            spec=ridge_spec,
            images=images_spec("test"),
        shell:
            "python {input.code[0]} --train {input.train} --test {input.test}"
            " --spec {params.spec:q} --images {params.images:q} --out {output} > {log} 2>&1"


for reading in READINGS:

    rule:
        name:
            reading
        input:
            SCUTT_TARGETS[reading],
        localrule: True

    rule:
        name:
            f"{reading}_fig1"
        input:
            population=f"<results>/{reading}/population/varied/train.h5",
            code=code_of("scripts/figures/scutt_fig1.py"),
        output:
            pdf=f"<papers>/{reading}/fig1.pdf",
            png=report(
                f"<papers>/{reading}/fig1.png",
                caption="../report/scutt_fig1.rst",
                category="scutt",
                subcategory=reading,
                labels={"target": "figure 1"},
            ),
        log:
            f"<logs>/{reading}/fig1.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            parents={
                key: S["draws"]["varied"][key] for key in ("theta_E", "q", "z_source")
            },
            note=note_of(reading),
        script:
            "../../scripts/figures/scutt_fig1.py"

    rule:
        name:
            f"{reading}_masses"
        input:
            code=code_of("scripts/scutt_masses.py"),
        output:
            f"<results>/{reading}/population/masses.h5",
        log:
            f"<logs>/{reading}/masses.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            spec=as_json(population_of(reading, "fixed")),
            alphas="-2.4 -2.0 -1.6",
            lenses=S["evaluation"]["mass_sample"],
        shell:
            "python {input.code[0]} --spec {params.spec:q} --alphas {params.alphas}"
            " --lenses {params.lenses} --out {output} > {log} 2>&1"

    rule:
        name:
            f"{reading}_fig2"
        input:
            sample=f"<results>/{reading}/population/masses.h5",
            code=code_of("scripts/figures/scutt_fig2.py"),
        output:
            pdf=f"<papers>/{reading}/fig2.pdf",
            png=report(
                f"<papers>/{reading}/fig2.png",
                caption="../report/scutt_fig2.rst",
                category="scutt",
                subcategory=reading,
                labels={"target": "figure 2"},
            ),
        log:
            f"<logs>/{reading}/fig2.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            note=note_of(reading),
        script:
            "../../scripts/figures/scutt_fig2.py"

    rule:
        name:
            f"{reading}_example"
        input:
            code=code_of("scripts/scutt_example.py"),
        output:
            f"<results>/{reading}/images/example.h5",
        log:
            f"<logs>/{reading}/example.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            population=as_json(population_of(reading, "fixed")),
            view=as_json(view_of(reading, "fixed")),
        shell:
            "python {input.code[0]} --population {params.population:q} --view {params.view:q}"
            " --alpha -2.0 --out {output} > {log} 2>&1"

    rule:
        name:
            f"{reading}_fig3"
        input:
            example=f"<results>/{reading}/images/example.h5",
            code=code_of("scripts/figures/scutt_fig3.py"),
        output:
            pdf=f"<papers>/{reading}/fig3.pdf",
            png=report(
                f"<papers>/{reading}/fig3.png",
                caption="../report/scutt_fig3.rst",
                category="scutt",
                subcategory=reading,
                labels={"target": "figure 3"},
            ),
        log:
            f"<logs>/{reading}/fig3.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            note=note_of(reading),
        script:
            "../../scripts/figures/scutt_fig3.py"

    rule:
        name:
            f"{reading}_fig4"
        input:
            code=code_of("scripts/figures/scutt_fig4.py"),
        output:
            pdf=f"<papers>/{reading}/fig4.pdf",
            png=report(
                f"<papers>/{reading}/fig4.png",
                caption="../report/scutt_fig4.rst",
                category="scutt",
                subcategory=reading,
                labels={"target": "figure 4"},
            ),
        log:
            f"<logs>/{reading}/fig4.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            n_cnn=architecture_of(S["networks"], "n_cnn"),
            alpha_cnn=architecture_of(S["networks"], "alpha_cnn"),
            image_shape=[1] + 2 * [S["views"]["fixed"]["n_pix"]],
            note=note_of(reading),
        script:
            "../../scripts/figures/scutt_fig4.py"

    for figure, (view, estimates) in SCUTT_FIGURES.items():

        rule:
            name:
                f"{reading}_{figure}"
            input:
                metrics=f"<results>/{reading}/metrics/{view}.csv",
                predictions=predictions_of(
                    reading, view, estimates, first_seed_only=True
                ),
                code=code_of("scripts/figures/scutt_predictions.py"),
            output:
                pdf=f"<papers>/{reading}/{figure}.pdf",
                png=report(
                    f"<papers>/{reading}/{figure}.png",
                    caption=f"../report/scutt_{figure}.rst",
                    category="scutt",
                    subcategory=reading,
                    labels={"target": f"figure {figure[3:]}"},
                ),
            log:
                f"<logs>/{reading}/{figure}.log",
            localrule: True
            conda:
                "../../envs/lenscnn.yaml"
            params:
                note=note_of(reading),
            script:
                "../../scripts/figures/scutt_predictions.py"

    for table, (view, estimates) in SCUTT_TABLES.items():

        rule:
            name:
                f"{reading}_{table}"
            input:
                metrics=f"<results>/{reading}/metrics/{view}.csv",
                code=code_of("scripts/tables/scutt_table.py"),
            output:
                csv=report(
                    f"<papers>/{reading}/{table}.csv",
                    caption=f"../report/scutt_{table}.rst",
                    category="scutt",
                    subcategory=reading,
                    labels={"target": f"table {table[5:]}"},
                ),
                tex=f"<papers>/{reading}/{table}.tex",
            log:
                f"<logs>/{reading}/{table}.log",
            localrule: True
            conda:
                "../../envs/lenscnn.yaml"
            params:
                view=view,
                seen=S["views"][view],
                estimates=estimates,
                run=run_of(reading),
            script:
                "../../scripts/tables/scutt_table.py"

    rule:
        name:
            f"{reading}_skill"
        input:
            metrics=[f"<results>/{reading}/metrics/{view}.csv" for view in ESTIMATES],
            training=[
                f"<results>/{reading}/population/{S['views'][view]['draw']}/train.h5"
                for view in ESTIMATES
            ],
            n_predictions=[
                path
                for view in ESTIMATES
                for path in predictions_of(reading, view, ["n_cnn"])
            ],
            code=code_of("scripts/tables/scutt_skill.py"),
        output:
            csv=report(
                f"<papers>/{reading}/skill.csv",
                caption="../report/scutt_skill.rst",
                category="scutt",
                subcategory=reading,
                labels={"target": "skill"},
            ),
            tex=f"<papers>/{reading}/skill.tex",
        log:
            f"<logs>/{reading}/skill.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            views=list(ESTIMATES),
            alpha_constant=sum(S["population"]["alpha"].values()) / 2,
            bootstrap=S["evaluation"]["bootstrap"],
            run=run_of(reading),
        script:
            "../../scripts/tables/scutt_skill.py"
