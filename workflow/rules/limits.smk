# The least errors that any method could have on the images of pearson2019's networks.
from lenscnn.papers.pearson2019.limits.specs import limited_views, limits_file

if config["predictions"] == "computed":

    # Views of the same lenses share what takes long, the derivatives of their images.
    for sample, views in limited_views(P).items():

        rule:
            name:
                f"pearson2019_limits_{sample}"
            input:
                catalogue=P.catalogue(sample, "test"),
                code=code_of("scripts/pearson2019_limits.py"),
            output:
                [limits_file(P, view) for view in views],
            log:
                f"<logs>/pearson2019/limits/{sample}.log",
            benchmark:
                f"<benchmarks>/pearson2019/limits/{sample}.tsv"
            conda:
                "../../envs/lenscnn.yaml"
            threads: 1
            resources:
                mem=growing(2, "GB"),
                runtime=growing(2, "h"),
            params:
                specs=as_json({view: P.images_spec(view, "test") for view in views}),
            shell:
                "python {input.code[0]} --catalogue {input.catalogue}"
                " --specs {params.specs:q} --out {output} > {log} 2>&1"
