# Scutt: lenses, images, the baseline, and what figures 2 and 3 draw.


rule population:
    input:
        code=code_of("scripts/population.py"),
    output:
        "<results>/{variant}/population/{sample}/{split}.h5",
    log:
        "<logs>/{variant}/population/{sample}/{split}.log",
    wildcard_constraints:
        sample=any_of(SCUTT.samples),
    # No benchmark: it takes seconds, and drawing from released predictions runs it.
    threads: 1
    resources:
        mem=growing(2, "GB"),
        runtime=growing(30, "m"),
    params:
        spec=lambda w: spec_file(VARIANTS[w.variant].population_spec(w.sample)),
        subsets=lambda w: spec_file(VARIANTS[w.variant].subsets(w.split)),
    shell:
        "python {input.code[0]} --spec {params.spec} --subsets {params.subsets}"
        " --out {output} > {log} 2>&1"


rule simulate:
    input:
        catalogue=lambda w: VARIANTS[w.variant].catalogue(w.view, w.split),
        code=code_of("scripts/simulate.py"),
    output:
        # As the images of pearson2019.
        temp("<results>/{variant}/images/{view}/{split}/shard_{shard}.h5"),
    log:
        "<logs>/{variant}/images/{view}/{split}/shard_{shard}.log",
    benchmark:
        "<benchmarks>/{variant}/images/{view}/{split}/shard_{shard}.tsv"
    wildcard_constraints:
        view=followed_by(dict.fromkeys(SCUTT.views, with_its_shards(SCUTT.rows))),
    threads: 4 if GPU else 1  # which draw subhaloes ahead of it
    resources:
        mem=growing(4, "GB"),
        runtime=growing(1, "h"),
        gpu=GPU,
        device=config["device"],  # not a parameter: where it runs changes no result
        disk=lambda w: size_of_images(
            len(range(*VARIANTS[w.variant].rows(w.split)[int(w.shard)])),
            1,
            VARIANTS[w.variant].config["views"][w.view]["n_pix"],
        ),
    params:
        spec=lambda w: spec_file(VARIANTS[w.variant].images_spec(w.view, w.split)),
        rows=lambda w: first_and_last(VARIANTS[w.variant].rows(w.split)[int(w.shard)]),
    shell:
        "python {input.code[0]} --catalogue {input.catalogue} --spec {params.spec}"
        " --rows {params.rows} --out {output} --device {resources.device} --threads {threads}"
        " > {log} 2>&1"


# The baseline needs images: with released predictions there is none, or one that is released too.
if config["predictions"] == "computed":

    rule ridge:
        input:
            train=images_of("train"),
            test=images_of("test"),
            code=code_of("scripts/ridge.py"),
        output:
            [
                f"<results>/{{paper}}/predictions/{{view}}/{estimate}_seed0.h5"
                for estimate in RIDGE
            ],
        log:
            "<logs>/{paper}/ridge/{view}.log",
        benchmark:
            "<benchmarks>/{paper}/ridge/{view}/ridge.tsv"
        wildcard_constraints:
            paper=any_of(VARIANTS),
            view=any_of(SCUTT.views),
        threads: 1
        resources:
            mem=growing(8, "GB"),
            runtime=growing(1, "h"),
        params:
            spec=lambda w: spec_file(PAPERS[w.paper].ridge_spec(w.view)),
            images=spec_of_images("test"),
        shell:
            "python {input.code[0]} --train {input.train} --test {input.test}"
            " --spec {params.spec} --images {params.images} --out {output} > {log} 2>&1"


rule metrics:
    input:
        # Estimates by networks, and by ridge regression if they are here.
        predictions=lambda w: [
            *PAPERS[w.paper].predictions(w.view, PAPERS[w.paper].estimates_of(w.view)),
            *available(PAPERS[w.paper].ridge_predictions(w.view)),
        ],
        code=code_of("scripts/metrics.py"),
    output:
        "<results>/{paper}/metrics/{view}.csv",
    log:
        "<logs>/{paper}/metrics/{view}.log",
    wildcard_constraints:
        paper=any_of(VARIANTS),
        view=any_of(SCUTT.views),
    localrule: True
    params:
        bootstrap=config["scutt"]["evaluation"]["bootstrap"],
        made_with=settings_of_predictions(),
    script:
        "../../scripts/metrics.py"


for name, paper in VARIANTS.items():

    rule:
        name:
            f"{name}_masses"
        input:
            code=code_of("scripts/scutt_masses.py"),
        output:
            f"<results>/{name}/population/masses.h5",
        log:
            f"<logs>/{name}/masses.log",
        localrule: True
        params:
            spec=spec_file(paper.population_spec("fixed")),
            alphas="-2.4 -2.0 -1.6",
            lenses=paper.config["evaluation"]["mass_sample"],
        shell:
            "python {input.code[0]} --spec {params.spec} --alphas {params.alphas}"
            " --lenses {params.lenses} --out {output} > {log} 2>&1"

    rule:
        name:
            f"{name}_example"
        input:
            code=code_of("scripts/scutt_example.py"),
        output:
            f"<results>/{name}/images/example.h5",
        log:
            f"<logs>/{name}/example.log",
        localrule: True
        params:
            population=spec_file(paper.population_spec("fixed")),
            view=spec_file(paper.view_spec("fixed")),
        shell:
            "python {input.code[0]} --population {params.population} --view {params.view}"
            " --alpha -2.0 --out {output} > {log} 2>&1"
