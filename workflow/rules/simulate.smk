# Catalogues of lenses, and images of them.


rule population:
    input:
        code=code_of("scripts/population.py"),
    output:
        "<results>/{reading}/population/{draw}/{split}.h5",
    log:
        "<logs>/{reading}/population/{draw}/{split}.log",
    # No benchmark: it takes seconds, and drawing from released predictions runs it.
    conda:
        "../../envs/lenscnn.yaml"
    threads: 1
    resources:
        mem=growing(2, "GB"),
        runtime=growing(30, "m"),
    params:
        spec=population_spec,
        subsets=subsets,
    shell:
        "python {input.code[0]} --spec {params.spec:q} --subsets {params.subsets:q}"
        " --out {output} > {log} 2>&1"


rule simulate:
    input:
        catalogue=catalogue_of_view,
        code=code_of("scripts/simulate.py"),
    output:
        "<results>/{reading}/images/{view}/{split}/shard_{shard}.h5",
    log:
        "<logs>/{reading}/images/{view}/{split}/shard_{shard}.log",
    benchmark:
        "<benchmarks>/{reading}/images/{view}/{split}/shard_{shard}.tsv"
    conda:
        "../../envs/lenscnn.yaml"
    threads: 4 if GPU else 1  # which draw subhaloes ahead of it
    resources:
        mem=growing(4, "GB"),
        runtime=growing(1, "h"),
        gpu=GPU,
        device=config["device"],  # not a parameter: where it runs changes no result
    params:
        spec=images_spec(),
        rows=rows_of_shard,
    shell:
        "python {input.code[0]} --catalogue {input.catalogue} --spec {params.spec:q}"
        " --rows {params.rows} --out {output} --device {resources.device} --threads {threads}"
        " > {log} 2>&1"
