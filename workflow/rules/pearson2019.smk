# pearson2019: the selection function, figures 1-3.

PEARSON_SELECTION = {
    "fig1": ["theta_E"],
    "fig2": ["sigma_v"],
    "fig3": ["z_lens", "z_source"],
}
# Samples in figures 1-3.
PEARSON_DRAWN = ["euclid", "lsst", "euclid_literal", "lsst_literal"]
PEARSON_EXAMPLES = 5  # rows of figure 4: the first lenses of the test sets
# Which views a figure shows.
PEARSON_COMPARED = {
    "fig7": [f"{camera}_removed" for camera in CAMERAS],
    "fig9": [f"{camera}_kept" for camera in CAMERAS],
}
PEARSON_CORE = sorted({P["cameras"][camera]["draw"] for camera in CAMERAS})
PEARSON_SCATTER = {"fig10": "phi", "fig11": "e", "fig12": "both"}
PEARSON_TABLE_VIEWS = [
    *CORE_VIEWS,
    *(f"{camera}_fitted" for camera in CAMERAS),
    *DARK_VIEWS,
    *(f"{camera}_light" for camera in CAMERAS),
]
PEARSON_TARGETS = [
    f"<papers>/pearson2019/{name}.{kind}"
    for names, kinds in (
        ([f"fig{k}" for k in range(1, 15)], ("pdf", "png")),
        (["table1"], ("csv", "tex")),
    )
    for name in names
    for kind in kinds
]


rule pearson2019:
    input:
        PEARSON_TARGETS,
    localrule: True


if config["predictions"] == "computed":

    rule pearson2019_photometry:
        input:
            code=code_of("scripts/photometry.py"),
        output:
            "<results>/pearson2019/photometry.h5",
        log:
            "<logs>/pearson2019/photometry.log",
        localrule: True  # it may fetch the library
        conda:
            "../../envs/lenscnn.yaml"
        params:
            library=P["photometry"]["sed_library"],
        shell:
            "python {input.code[0]} --sed-library {params.library:q} --out {output}"
            " > {log} 2>&1"

    rule pearson2019_population:
        input:
            photometry=pearson_photometry(),
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
            mem=growing(4, "GB"),
            runtime=growing(4, "h"),
        params:
            spec=pearson_population_spec,
            rows=pearson_rows,
        shell:
            "python {input.code[0]} --spec {params.spec:q} --split {wildcards.split}"
            " --rows {params.rows} --photometry {input.photometry} --out {output}"
            " --threads {threads} > {log} 2>&1"

    rule pearson2019_images:
        input:
            catalogue=pearson_catalogue,
            code=code_of("scripts/pearson2019_images.py"),
        output:
            "<results>/pearson2019/images/{view}/{split}.h5",
        log:
            "<logs>/pearson2019/images/{view}/{split}.log",
        benchmark:
            "<benchmarks>/pearson2019/images/{view}/{split}.tsv"
        conda:
            "../../envs/lenscnn.yaml"
        threads: 1
        resources:
            mem=growing(4, "GB"),
            runtime=growing(2, "h"),
            gpu=GPU,
            device=config["device"],
        params:
            spec=images_spec(),
            rows=pearson_rows_of_view,
        shell:
            "python {input.code[0]} --catalogue {input.catalogue} --spec {params.spec:q}"
            " --rows {params.rows} --out {output} --device {resources.device} --threads {threads}"
            " > {log} 2>&1"

    # Lens light is fitted on a CPU: the GPU is left to others.
    use rule pearson2019_images as pearson2019_fitted_images with:
        wildcard_constraints:
            view=".+_fitted",
        resources:
            mem=growing(4, "GB"),
            runtime=growing(2, "h"),
            gpu=0,
            device="cpu",

    ruleorder: pearson2019_fitted_images > pearson2019_images


rule pearson2019_metrics:
    input:
        predictions=pearson_predictions_of_view,
        code=code_of("scripts/lens_metrics.py"),
    output:
        overall="<results>/pearson2019/metrics/{view}.csv",
        binned="<results>/pearson2019/metrics/{view}_binned.csv",
    log:
        "<logs>/pearson2019/metrics/{view}.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        bootstrap=P["evaluation"]["bootstrap"],
        bins=P["evaluation"]["bins"],
        made_with=settings_of_predictions("pearson2019"),
    script:
        "../../scripts/lens_metrics.py"


rule pearson2019_light:
    input:
        catalogue=lambda wildcards: pearson_shards(
            P["cameras"][wildcards.camera]["draw"], "test"
        ),
        code=code_of("scripts/lens_light_metrics.py"),
    output:
        "<results>/pearson2019/metrics/{camera}_light.csv",
    log:
        "<logs>/pearson2019/metrics/{camera}_light.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        bootstrap=P["evaluation"]["bootstrap"],
    script:
        "../../scripts/lens_light_metrics.py"


rule pearson2019_selection:
    input:
        **{draw: pearson_shards(draw, "test") for draw in PEARSON_DRAWN},
        registry=local("config/claims.csv"),
        code=code_of("scripts/pearson2019_selection.py"),
    output:
        "<results>/pearson2019/metrics/selection.csv",
    log:
        "<logs>/pearson2019/selection.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        draws=PEARSON_DRAWN,
        bootstrap=P["evaluation"]["bootstrap"],
    script:
        "../../scripts/pearson2019_selection.py"


for figure, quantities in PEARSON_SELECTION.items():

    rule:
        name:
            f"pearson2019_{figure}"
        input:
            **{draw: pearson_shards(draw, "test") for draw in PEARSON_DRAWN},
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
            note=f"pearson2019, scale {SCALE}: {P['draws']['euclid']['n_test']:,} Euclid and"
            f" {P['draws']['lsst']['n_test']:,} LSST test lenses",
        script:
            "../../scripts/figures/pearson2019_selection.py"


rule pearson2019_examples:
    input:
        catalogue=pearson_examples,
        code=code_of("scripts/pearson2019_images.py"),
    output:
        "<results>/pearson2019/examples/{view}.h5",
    log:
        "<logs>/pearson2019/examples/{view}.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        spec=images_spec("test"),
        n=PEARSON_EXAMPLES,
    shell:
        "python {input.code[0]} --catalogue {input.catalogue} --spec {params.spec:q}"
        " --rows 0 {params.n} --out {output} --device cpu > {log} 2>&1"


rule pearson2019_fig4:
    input:
        **{
            camera: f"<results>/pearson2019/examples/{camera}_kept.h5"
            for camera in CAMERAS
        },
        code=code_of("scripts/figures/pearson2019_fig4.py"),
    output:
        pdf="<papers>/pearson2019/fig4.pdf",
        png=report(
            "<papers>/pearson2019/fig4.png",
            caption="../report/pearson2019_fig4.rst",
            category="pearson2019",
            labels={"target": "figure 4"},
        ),
    log:
        "<logs>/pearson2019/fig4.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        rows=PEARSON_EXAMPLES,
        pixel_scale={camera: pixel_scale_of(camera) for camera in CAMERAS},
        note=f"pearson2019, scale {SCALE}",
    script:
        "../../scripts/figures/pearson2019_fig4.py"


rule pearson2019_fig5:
    input:
        code=code_of("scripts/figures/pearson2019_fig5.py"),
    output:
        pdf="<papers>/pearson2019/fig5.pdf",
        png=report(
            "<papers>/pearson2019/fig5.png",
            caption="../report/pearson2019_fig5.rst",
            category="pearson2019",
            labels={"target": "figure 5"},
        ),
    log:
        "<logs>/pearson2019/fig5.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        network=architecture_of(P["networks"], "cnn"),
        image_shapes=[
            [len(P["cameras"][camera]["bands"]), *stamp_of(camera)]
            for camera in ("vis", "gri")
        ],
        note=f"pearson2019, scale {SCALE}",
    script:
        "../../scripts/figures/pearson2019_fig5.py"


rule pearson2019_fig6:
    input:
        predictions=pearson_own_predictions(CORE_VIEWS),
        code=code_of("scripts/figures/pearson2019_fig6.py"),
    output:
        pdf="<papers>/pearson2019/fig6.pdf",
        png=report(
            "<papers>/pearson2019/fig6.png",
            caption="../report/pearson2019_fig6.rst",
            category="pearson2019",
            labels={"target": "figure 6"},
        ),
    log:
        "<logs>/pearson2019/fig6.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        views=CORE_VIEWS,
        note=pearson_note(PEARSON_CORE),
    script:
        "../../scripts/figures/pearson2019_fig6.py"


for figure, views in PEARSON_COMPARED.items():

    rule:
        name:
            f"pearson2019_{figure}"
        input:
            predictions=pearson_own_predictions(views),
            code=code_of("scripts/figures/pearson2019_predictions.py"),
        output:
            pdf=f"<papers>/pearson2019/{figure}.pdf",
            png=report(
                f"<papers>/pearson2019/{figure}.png",
                caption=f"../report/pearson2019_{figure}.rst",
                category="pearson2019",
                labels={"target": f"figure {figure[3:]}"},
            ),
        log:
            f"<logs>/pearson2019/{figure}.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            views=views,
            note=pearson_note(PEARSON_CORE),
        script:
            "../../scripts/figures/pearson2019_predictions.py"


rule pearson2019_fig8:
    input:
        metrics=pearson_metrics(CORE_VIEWS, "_binned"),
        code=code_of("scripts/figures/pearson2019_fig8.py"),
    output:
        pdf="<papers>/pearson2019/fig8.pdf",
        png=report(
            "<papers>/pearson2019/fig8.png",
            caption="../report/pearson2019_fig8.rst",
            category="pearson2019",
            labels={"target": "figure 8"},
        ),
    log:
        "<logs>/pearson2019/fig8.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        views=CORE_VIEWS,
        note=pearson_note(PEARSON_CORE),
    script:
        "../../scripts/figures/pearson2019_fig8.py"


for figure, study in PEARSON_SCATTER.items():

    rule:
        name:
            f"pearson2019_{figure}"
        input:
            metrics=pearson_metrics(SCATTER_VIEWS[study]["test"]),
            # Behind the metrics, which may be of fewer networks: this figure wants them all.
            predictions=pearson_predictions(
                SCATTER_VIEWS[study]["test"], SCATTER_VIEWS[study]["train"]
            ),
            control=pearson_metrics([CONTROL_VIEW])[0],
            code=code_of("scripts/figures/pearson2019_scatter.py"),
        output:
            pdf=f"<papers>/pearson2019/{figure}.pdf",
            png=report(
                f"<papers>/pearson2019/{figure}.png",
                caption=f"../report/pearson2019_{figure}.rst",
                category="pearson2019",
                labels={"target": f"figure {figure[3:]}"},
            ),
        log:
            f"<logs>/pearson2019/{figure}.log",
        localrule: True
        conda:
            "../../envs/lenscnn.yaml"
        params:
            axis=study,
            tested=list(SCATTER_VIEWS[study]["test"].values()),
            trained=SCATTER_VIEWS[study]["train"],
            slacs=slacs_on_axis(study),
            note=pearson_note(["euclid_caustic"]),
        script:
            "../../scripts/figures/pearson2019_scatter.py"


rule pearson2019_fig13:
    input:
        binned=pearson_metrics([f"{camera}_removed" for camera in CAMERAS], "_binned"),
        bright=pearson_metrics([f"{camera}_bright" for camera in CAMERAS]),
        code=code_of("scripts/figures/pearson2019_fig13.py"),
    output:
        pdf="<papers>/pearson2019/fig13.pdf",
        png=report(
            "<papers>/pearson2019/fig13.png",
            caption="../report/pearson2019_fig13.rst",
            category="pearson2019",
            labels={"target": "figure 13"},
        ),
    log:
        "<logs>/pearson2019/fig13.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        cameras=CAMERAS,
        bright_from=P["readings"]["bright"]["snr"],
        note=pearson_note(PEARSON_CORE),
    script:
        "../../scripts/figures/pearson2019_fig13.py"


rule pearson2019_fig14:
    input:
        metrics=pearson_metrics(VISIT_VIEWS),
        predictions=pearson_predictions(VISIT_VIEWS, VISIT_VIEWS),
        code=code_of("scripts/figures/pearson2019_fig14.py"),
    output:
        pdf="<papers>/pearson2019/fig14.pdf",
        png=report(
            "<papers>/pearson2019/fig14.png",
            caption="../report/pearson2019_fig14.rst",
            category="pearson2019",
            labels={"target": "figure 14"},
        ),
    log:
        "<logs>/pearson2019/fig14.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        visits=P["visits"],
        trained=VISIT_VIEWS,
        note=pearson_note([P["cameras"]["vis"]["draw"]]),
    script:
        "../../scripts/figures/pearson2019_fig14.py"


rule pearson2019_table1:
    input:
        metrics=pearson_table_metrics,
        registry=local("config/claims.csv"),
        code=code_of("scripts/tables/pearson2019_table1.py"),
    output:
        csv=report(
            "<papers>/pearson2019/table1.csv",
            caption="../report/pearson2019_table1.rst",
            category="pearson2019",
            labels={"target": "table 1"},
        ),
        tex="<papers>/pearson2019/table1.tex",
    log:
        "<logs>/pearson2019/table1.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        run=run_of("pearson2019"),
    script:
        "../../scripts/tables/pearson2019_table1.py"
