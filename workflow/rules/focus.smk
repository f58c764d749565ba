rule focus:
    input:
        table="results/ingest/{slide}/fields.tsv",
        stacks="results/ingest/{slide}/stacks",
    output:
        planes="results/focus/{slide}/planes.tsv",
        fields="results/focus/{slide}/fields.tsv",
        patches="results/focus/{slide}/patches.tsv",
        summary="results/focus/{slide}/summary.json",
    log:
        "logs/focus/{slide}.log",
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        settings=plan.section("focus"),
        pairs=plan.section("pairs", *plan.OFFSETS, "patch_px", "offset_sd_um"),
        code=code("focus"),
    shell:
        "tsva --log {log} focus --settings {params.settings:q} --pairs {params.pairs:q}"
        " --ingest results/ingest/{wildcards.slide} --out results/focus/{wildcards.slide}"


# In-focus planes alone: for looking at stacks before anything is trained on them.
rule focused:
    input:
        per_slide("results/focus/{slide}/fields.tsv"),
