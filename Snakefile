# Two-shot virtual autofocusing: `snakemake --cores N` runs everything that config/config.yaml asks for.
include: "workflow/rules/workflow.smk"


rule default:
    default_target: True
    input:
        everything(),
<<<<<<< HEAD


include: "workflow/rules/fetch.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/focus.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/spectrum.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/refocus.smk"
include: "workflow/rules/count.smk"
include: "workflow/rules/advise.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
=======
>>>>>>> main
