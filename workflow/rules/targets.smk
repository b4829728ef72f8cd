# Figures and tables: a rule for each target of each paper.
# `scutt_fig5` and `paper_figures/<scale>/scutt/fig5.pdf` are the same target.


if P.study_samples():

    # Figures and tables of a study of one's own, without the paper's.
    rule pearson2019_study:
        input:
            [path for path in files_of(P.name) if Path(path).name.startswith("study_")],
        localrule: True


for name in PAPERS:

    rule:
        name:
            name
        input:
            files_of(name),
        localrule: True

    for target in TARGETS[name]:

        rule:
            name:
                f"{name}_{target.name}"
            input:
                **inputs_of(target),
            output:
                **outputs_of(name, target),
            log:
                f"<logs>/{name}/{target.name}.log",
            localrule: True
            params:
                **target.params,
                script=target.script,  # the path below is made when the job runs
            script:
                "../../scripts/{params.script}.py"
