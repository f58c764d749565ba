# Two-shot virtual autofocusing: `snakemake --cores N` runs everything that config/config.yaml asks for.
include: "workflow/rules/workflow.smk"


rule default:
    default_target: True
    input:
        everything(),
