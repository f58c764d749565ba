rule ingest:
    input:
        files=lambda wildcards: ancient(plan.inputs(wildcards.slide)),
        simulated=simulated_table,
    output:
        table="results/ingest/{slide}/fields.tsv",
        planes="results/ingest/{slide}/planes.tsv",
        stacks=directory("results/ingest/{slide}/stacks"),
    log:
        "logs/ingest/{slide}.log",
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        slide=lambda wildcards: plan.row(wildcards.slide),
        data=lambda wildcards: plan.data(wildcards.slide),
        simulated=simulated_option,
        settings=plan.section("ingest"),
        pairs=plan.section("pairs", *plan.OFFSETS),
        optics=plan.section("optics", "pixel_um"),
        sheet_folder=str(plan.sheet.parent),
        code=code("ingest"),
    shell:
        "tsva --log {log} ingest --slide {params.slide:q} --settings {params.settings:q} --pairs {params.pairs:q}"
        " --optics {params.optics:q} --sheet-folder {params.sheet_folder:q} {params.simulated}"
        " --out results/ingest/{wildcards.slide}"


# Everything read and checked, and nothing more.
rule ingested:
    input:
        per_slide("results/ingest/{slide}/fields.tsv"),
