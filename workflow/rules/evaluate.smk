# Predictions on the test sets, and how good they are. With `predictions: released` the files
# under results/<scale>/ stand as they are and nothing upstream of them is asked for.

if config["predictions"] == "computed":

    rule predict:
        input:
            unpack(inputs_of_estimate),
            shards=shards_of("test"),
            code=code_of("scripts/predict.py"),
        output:
            "<results>/{reading}/predictions/{view}/{estimate}_seed{seed}.h5",
        log:
            "<logs>/{reading}/predict/{view}/{estimate}_seed{seed}.log",
        benchmark:
            "<benchmarks>/{reading}/predict/{view}/{estimate}_seed{seed}.tsv"
        conda:
            "../../envs/lenscnn.yaml"
        threads: 1
        resources:
            mem=growing(4, "GB"),
            runtime=growing(1, "h"),
            gpu=GPU,
            device=config["device"],
        params:
            spec=estimate_spec,
            images=images_spec("test"),
            n_from=n_of_estimate,
            keep=labels_kept,
            mirrors=mirrors_of_estimate,
        shell:
            "python {input.code[0]} --weights {input.weights} --shards {input.shards}"
            " --n-from {params.n_from} --keep {params.keep} {params.mirrors}"
            " --spec {params.spec:q} --images {params.images:q} --out {output}"
            " --device {resources.device} --threads {threads} > {log} 2>&1"


rule metrics:
    input:
        predictions=predictions_of_view,
        code=code_of("scripts/metrics.py"),
    output:
        "<results>/{reading}/metrics/{view}.csv",
    log:
        "<logs>/{reading}/metrics/{view}.log",
    wildcard_constraints:
        reading="|".join(READINGS),
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        bootstrap=config["scutt"]["evaluation"]["bootstrap"],
        made_with=settings_of_predictions(None),
    script:
        "../../scripts/metrics.py"
