# Predictions on the test sets. With `predictions: released` the files
# under results/<scale>/ stand as they are and nothing upstream of them is asked for.

if config["predictions"] == "computed":

    rule predict:
        input:
            unpack(inputs_of_estimate),
            shards=images_of("test"),
            code=code_of("scripts/predict.py"),
        output:
            "<results>/{paper}/predictions/{view}/{estimate}_seed{seed}.h5",
        log:
            "<logs>/{paper}/predict/{view}/{estimate}_seed{seed}.log",
        benchmark:
            "<benchmarks>/{paper}/predict/{view}/{estimate}_seed{seed}.tsv"
        wildcard_constraints:
            paper=with_its(
                lambda paper: [name for name in paper.estimates if name not in RIDGE],
                "test",
            ),
        priority: 2  # what a trained network is for comes before the next training
        threads: 1
        resources:
            mem=growing(4, "GB"),
            runtime=growing(1, "h"),
            gpu=GPU,
            device=config["device"],
        params:
            spec=lambda w: spec_file(
                PAPERS[w.paper].estimate_spec(w.estimate, w.view, w.seed)
            ),
            images=spec_of_images("test"),
            n_from=n_of_estimate,
            n_settings=settings_of_n,
            keep=lambda w: PAPERS[w.paper].kept_labels,
            mirrors=lambda w: (
                "--mirrors" if PAPERS[w.paper].sees_mirrors(w.estimate, w.view) else ""
            ),
        shell:
            "python {input.code[0]} --weights {input.weights} --shards {input.shards}"
            " --n-from {params.n_from} --n-settings {params.n_settings} --keep {params.keep} {params.mirrors}"
            " --spec {params.spec} --images {params.images} --out {output}"
            " --device {resources.device} --threads {threads} > {log} 2>&1"
