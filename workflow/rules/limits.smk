# The errors to expect of an ideal method on the images of pearson2019's networks.
from lenscnn.papers.pearson2019.limits.specs import (
    limited_views,
    limits_file,
    n_fitted,
)
from lenscnn.papers.pearson2019.limits.targets import limit_targets

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
            threads: 1
            resources:
                mem=growing(2, "GB"),
                runtime=growing(2, "h"),
            params:
                specs=lambda w, output: spec_file(
                    {
                        view: P.images_spec(view, "test")
                        for view in (Path(path).stem for path in output)
                    }
                ),
            shell:
                "python {input.code[0]} --catalogue {input.catalogue}"
                " --specs {params.specs} --out {output} > {log} 2>&1"

    rule pearson2019_fit_images:
        input:
            catalogue=lambda w: P.catalogue(P.sample_of(w.view), "test"),
            predictions=lambda w: P.own_predictions([w.view]),
            code=code_of("scripts/pearson2019_fits.py"),
        output:
            "<results>/pearson2019/fits/{view}.csv",
        log:
            "<logs>/pearson2019/fits/{view}.log",
        benchmark:
            "<benchmarks>/pearson2019/fits/{view}.tsv"
        wildcard_constraints:
            view=any_of(P.views),
        threads: 1
        resources:
            mem=growing(2, "GB"),
            runtime=growing(2, "h"),
        params:
            spec=lambda w: spec_file(P.images_spec(w.view, "test")),
            n=lambda w: n_fitted(P, w.view),
        shell:
            "python {input.code[0]} --catalogue {input.catalogue}"
            " --predictions {input.predictions} --spec {params.spec} --n {params.n}"
            " --out {output} > {log} 2>&1"


rule pearson2019_limit_metrics:
    input:
        limits=limits_file(P, "{view}"),
        catalogue=lambda w: P.catalogue(P.sample_of(w.view), "test"),
        code=code_of("scripts/pearson2019_limit_metrics.py"),
    output:
        overall="<results>/pearson2019/limits/{view}.csv",
        binned="<results>/pearson2019/limits/{view}_binned.csv",
    log:
        "<logs>/pearson2019/limits/{view}_metrics.log",
    wildcard_constraints:
        view=any_of(view for views in limited_views(P).values() for view in views),
    localrule: True
    params:
        bins=P.config["evaluation"]["bins"],
    script:
        "../../scripts/pearson2019_limit_metrics.py"


rule pearson2019_limit_network:
    input:
        limits=limits_file(P, "{view}"),
        catalogue=lambda w: P.catalogue(P.sample_of(w.view), "test"),
        # Without predictions there are limits, and no network beside them.
        predictions=lambda w: available(P.own_predictions([w.view])),
        code=code_of("scripts/pearson2019_limit_network.py"),
    output:
        "<results>/pearson2019/limits/{view}_network.csv",
    log:
        "<logs>/pearson2019/limits/{view}_network.log",
    localrule: True
    params:
        bootstrap=P.config["evaluation"]["bootstrap"],
        made_with=settings_of_predictions(P.name),
    script:
        "../../scripts/pearson2019_limit_network.py"


rule limits:
    input:
        [
            f"<papers>/{P.name}/{target.name}.{suffix}"
            for target in limit_targets(P)
            for suffix in target.suffixes
        ],
    localrule: True
