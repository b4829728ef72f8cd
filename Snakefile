# lenscnn: figures and tables of papers on strong lenses and CNNs, rebuilt from config.
#
#   config -> population -> images -> weights -> predictions -> metrics -> figures and tables

import atexit
import os

from snakemake.utils import min_version

min_version("9.19")

# What comes with the workflow is found from here, wherever it runs: by relative paths in its own
# folder, so that these are the same in every clone, and by absolute ones elsewhere.
CHECKOUT = workflow.current_basedir.get_path_or_uri(secret_free=True)
BASE = "" if os.path.samefile(CHECKOUT, ".") else f"{CHECKOUT}/"


configfile: f"{BASE}config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/refusals.smk"
include: "workflow/rules/papers.smk"
include: "workflow/rules/scutt.smk"
include: "workflow/rules/pearson2019.smk"
include: "workflow/rules/limits.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/records.smk"


onstart:
    refuse_beside_slurm_jobs()
    refuse_what_must_fail()
    lift_limit_of_starts()


# Last of all, below what Snakemake says itself.
onerror:
    atexit.register(lambda: print("", FAILED.tell(), sep="\n", file=sys.stderr))


report: "workflow/report/workflow.rst"


localrules:
    all,
    figures,


rule all:
    default_target: True
    input:
        [files_of(name) for name in PAPERS],
        CLAIMS_TARGETS,
        PROVENANCE_TARGETS,


# What can be drawn of released predictions, however few they are.
rule figures:
    input:
        lambda wildcards: targets_at_hand(),
        lambda wildcards: (
            rules.runtime_table.output if benchmark_records(wildcards) else []
        ),
