# Two-shot virtual autofocusing: `snakemake --cores N` runs everything that config/config.yaml asks for.
from snakemake.utils import min_version

min_version("9.10")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


rule default:
    default_target: True
    input:
        everything(),


include: "workflow/rules/fetch.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/focus.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/spectrum.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/refocus.smk"
include: "workflow/rules/baseline.smk"
include: "workflow/rules/count.smk"
include: "workflow/rules/advise.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
