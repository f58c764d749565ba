rule simulate:
    output:
        table="results/simulate/{slide}/fields.tsv",
        stacks=directory("results/simulate/{slide}/stacks"),
        truth=directory("results/simulate/{slide}/truth"),
    log:
        "logs/simulate/{slide}.log",
    conda:
        ENV
    threads: share_of_cores(sum(map(plan.is_made_here, plan.slides)))
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        slide=lambda wildcards: plan.row(wildcards.slide),
        data=lambda wildcards: plan.data(wildcards.slide),
        settings=plan.section("simulate"),
        pairs=plan.section("pairs", *plan.OFFSETS, "offset_sd_um"),
        optics=plan.section("optics"),
        seed=plan.settings.seed,
        sheet_folder=str(plan.sheet.parent),
        code=code("simulate"),
    shell:
        "tsva --log {log} simulate --slide {params.slide:q} --settings {params.settings:q} --pairs {params.pairs:q}"
        " --optics {params.optics:q} --seed {params.seed} --sheet-folder {params.sheet_folder:q} --threads {threads}"
        " --out results/simulate/{wildcards.slide}"
