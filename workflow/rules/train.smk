# Training of networks.


rule train:
    input:
        shards=images_of("train"),
        code=code_of("scripts/train.py"),
    output:
        weights="<results>/{paper}/weights/{view}/{network}_seed{seed}.pt",
        history="<results>/{paper}/history/{view}/{network}_seed{seed}.jsonl",
    log:
        "<logs>/{paper}/train/{view}/{network}_seed{seed}.log",
    benchmark:
        "<benchmarks>/{paper}/train/{view}/{network}_seed{seed}.tsv"
    wildcard_constraints:
        paper=with_its(lambda paper: paper.networks, "train"),
    priority: 1  # a network uses up images before others are made
    threads: 1
    resources:
        mem=growing(8, "GB"),
        runtime="4h",  # a retry goes on from the checkpoint
        gpu=GPU,
        device=config["device"],
    params:
        spec=lambda w: spec_file(
            PAPERS[w.paper].training_spec(w.view, w.network, w.seed)
        ),
        # Not an output: Snakemake deletes the outputs of a job that failed, and a checkpoint
        # is for just that case. It carries its spec and is ignored by any other training.
        checkpoint=checkpoint_path,
    shell:
        "python {input.code[0]} --spec {params.spec} --shards {input.shards}"
        " --weights {output.weights} --history {output.history}"
        " --checkpoint {params.checkpoint} --device {resources.device} --threads {threads}"
        " > {log} 2>&1"
