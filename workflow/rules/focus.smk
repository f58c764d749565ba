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
    benchmark:
        "results/benchmarks/focus/{slide}.tsv"
    priority: first_slide_first
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        settings=settings_file("focus", "focus", "acquisition", "pairs.patch_px"),
        ingest=folder_of("table"),
        out=folder_of("fields"),
        code=code("focus"),
    shell:
        "tsva --log {log} focus --settings {params.settings:q} --ingest {params.ingest:q}"
        " --out {params.out:q}"


# In-focus planes alone: for looking at stacks before anything is trained on them.
rule focused:
    input:
        per_slide("results/focus/{slide}/fields.tsv"),
