# Pearson et al. 2019: lenses as surveys detect them, their images, and errors of estimates.

if config["predictions"] == "computed":

    rule pearson2019_photometry:
        input:
            code=code_of("scripts/photometry.py"),
        output:
            "<results>/pearson2019/photometry.h5",
        log:
            "<logs>/pearson2019/photometry.log",
        localrule: True  # it may fetch the library
        params:
            library=P.config["photometry"]["sed_library"],
            filters=P.filters(),
        shell:
            "python {input.code[0]} --sed-library {params.library:q}"
            " --filters {params.filters:q} --out {output} > {log} 2>&1"

    rule pearson2019_population:
        input:
            photometry=photometry(),
            code=code_of("scripts/pearson2019_population.py"),
        output:
            "<results>/pearson2019/population/{sample}/{split}/shard_{shard}.h5",
        log:
            "<logs>/pearson2019/population/{sample}/{split}/shard_{shard}.log",
        benchmark:
            "<benchmarks>/pearson2019/population/{sample}/{split}/shard_{shard}.tsv"
        wildcard_constraints:
            sample=followed_by(
                {
                    sample: with_its_shards(lambda split: P.rows(sample, split))
                    for sample in P.samples
                }
            ),
        threads: 1
        resources:
            mem=growing(4, "GB"),
            runtime=growing(4, "h"),
        params:
            spec=lambda w: spec_file(P.population_spec(w.sample, w.split)),
            rows=lambda w: first_and_last(P.rows(w.sample, w.split)[int(w.shard)]),
        shell:
            "python {input.code[0]} --spec {params.spec} --split {wildcards.split}"
            " --rows {params.rows} --photometry {input.photometry} --out {output}"
            " --threads {threads} > {log} 2>&1"

    rule pearson2019_images:
        input:
            catalogue=lambda w: P.catalogue(P.sample_of(w.view), w.split),
            code=code_of("scripts/pearson2019_images.py"),
        output:
            # Made in seconds to minutes, and deleted when nothing waits for them any more: all
            # of them are 30 GB at paper scale. `--notemp` keeps them.
            temp("<results>/pearson2019/images/{view}/{split}.h5"),
        log:
            "<logs>/pearson2019/images/{view}/{split}.log",
        benchmark:
            "<benchmarks>/pearson2019/images/{view}/{split}.tsv"
        wildcard_constraints:
            view=with_their_splits(P.views),
        threads: 1
        resources:
            mem=growing(4, "GB"),
            runtime=growing(2, "h"),
            gpu=GPU,
            device=config["device"],
            disk=disk_of_images,
        params:
            spec=lambda w: spec_file(P.images_spec(w.view, w.split)),
            n=lambda w: P.images_spec(w.view, w.split)["n"],
        shell:
            "python {input.code[0]} --catalogue {input.catalogue} --spec {params.spec}"
            " --rows 0 {params.n} --out {output} --device {resources.device} --threads {threads}"
            " > {log} 2>&1"

    # Lens light is fitted on a CPU: the GPU is left to others.
    use rule pearson2019_images as pearson2019_fitted_images with:
        wildcard_constraints:
            view=with_their_splits(v for v in P.views if v.endswith("_fitted")),
        resources:
            mem=growing(4, "GB"),
            runtime=growing(2, "h"),
            gpu=0,
            device="cpu",
            disk=disk_of_images,

    ruleorder: pearson2019_fitted_images > pearson2019_images


rule pearson2019_metrics:
    input:
        # Of the networks whose predictions are here; if there are none, all are asked for. A view
        # of neither the paper nor the study has its own network alone.
        predictions=lambda w: available_or_all(
            P.predictions([w.view], P.tested_on.get(w.view, [w.view]))
        )(w),
        code=code_of("scripts/lens_metrics.py"),
    output:
        overall="<results>/pearson2019/metrics/{view}.csv",
        binned="<results>/pearson2019/metrics/{view}_binned.csv",
    log:
        "<logs>/pearson2019/metrics/{view}.log",
    wildcard_constraints:
        view=any_of(P.views),
    localrule: True
    params:
        bootstrap=P.config["evaluation"]["bootstrap"],
        bins=P.config["evaluation"]["bins"],
        made_with=settings_of_predictions(P.name),
    script:
        "../../scripts/lens_metrics.py"


rule pearson2019_light:
    input:
        catalogue=lambda w: P.catalogue(P.camera_sample(w.camera), "test"),
        code=code_of("scripts/lens_light_metrics.py"),
    output:
        "<results>/pearson2019/metrics/{camera}_light.csv",
    log:
        "<logs>/pearson2019/metrics/{camera}_light.log",
    localrule: True
    params:
        bootstrap=P.config["evaluation"]["bootstrap"],
    script:
        "../../scripts/lens_light_metrics.py"


# Samples whose distributions are summed up in one file.
SELECTIONS = {"selection": list(SELECTED)}
if P.study_samples():
    SELECTIONS["study_selection"] = P.study_samples()


rule pearson2019_selection:
    input:
        catalogues=lambda w: [
            path
            for sample in SELECTIONS[w.selection]
            for path in P.catalogue(sample, "test")
        ],
        registry=own("config/claims.csv"),
        code=code_of("scripts/pearson2019_selection.py"),
    output:
        "<results>/pearson2019/metrics/{selection}.csv",
    log:
        "<logs>/pearson2019/{selection}.log",
    wildcard_constraints:
        selection="|".join(SELECTIONS),
    localrule: True
    params:
        draws=lambda w: SELECTIONS[w.selection],
        changed=lambda w: [P.changed(sample) for sample in SELECTIONS[w.selection]],
        bootstrap=P.config["evaluation"]["bootstrap"],
    script:
        "../../scripts/pearson2019_selection.py"


rule pearson2019_examples:
    input:
        catalogue=lambda w: P.catalogue(P.sample_of(w.view), "test")[:1],
        code=code_of("scripts/pearson2019_images.py"),
    output:
        "<results>/pearson2019/examples/{view}.h5",
    log:
        "<logs>/pearson2019/examples/{view}.log",
    wildcard_constraints:
        view=any_of(P.views),
    localrule: True
    params:
        spec=lambda w: spec_file(P.images_spec(w.view, "test")),
        n=N_EXAMPLES,
    shell:
        "python {input.code[0]} --catalogue {input.catalogue} --spec {params.spec}"
        " --rows 0 {params.n} --out {output} --device cpu > {log} 2>&1"
