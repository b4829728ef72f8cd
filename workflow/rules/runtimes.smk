# What the steps took: a table of the benchmark files that are here, beside the papers' targets.


rule runtime_table:
    input:
        code=code_of("scripts/tables/runtimes.py"),
    output:
        "<papers>/runtime_table.csv",
    log:
        "<logs>/runtime_table.log",
    localrule: True
    conda:
        "../../envs/lenscnn.yaml"
    params:
        # Not an input: that would ask for the steps themselves.
        records=benchmark_records,
        folder=f"benchmarks/{SCALE}",
    script:
        "../../scripts/tables/runtimes.py"
