rule ingest:
    input:
        files=lambda wildcards: [
            ancient(local(path)) for path in plan.inputs(wildcards.slide)
        ],
        simulated=simulated_table,
    output:
        table="results/ingest/{slide}/fields.tsv",
        planes="results/ingest/{slide}/planes.tsv",
        facts="results/ingest/{slide}/inputs.json",
        stacks=directory("results/ingest/{slide}/stacks"),
    log:
        "logs/ingest/{slide}.log",
    benchmark:
        "results/benchmarks/ingest/{slide}.tsv"
    priority: first_slide_first
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        data=lambda wildcards: plan.data(wildcards.slide),
        simulated=simulated_option,
        settings=settings_file(
            "ingest", "ingest", *OFFSETS, "optics.pixel_um", slide=slide_row
        ),
        sheet_folder=str(plan.sheet.parent),
        out=folder_of("table"),
        code=code("ingest"),
    shell:
        "tsva --log {log} ingest --settings {params.settings:q} --sheet-folder {params.sheet_folder:q} {params.simulated}"
        " --out {params.out:q}"


# Everything read and checked, and nothing more.
rule ingested:
    input:
        per_slide("results/ingest/{slide}/fields.tsv"),
