rule simulate:
    output:
        table="results/simulate/{slide}/fields.tsv",
        stacks=directory("results/simulate/{slide}/stacks"),
        truth=directory("results/simulate/{slide}/truth"),
    log:
        "logs/simulate/{slide}.log",
    benchmark:
        "results/benchmarks/simulate/{slide}.tsv"
    priority: first_slide_first
    conda:
        ENV
    threads: share_of_cores(sum(map(plan.is_made_here, plan.slides)), cluster=1)
    resources:
        mem_mb=more(1000, each_core=1000),
        runtime=more(60),
    params:
        data=lambda wildcards: plan.data(wildcards.slide),
        settings=settings_file(
            "simulate",
            "simulate",
            "acquisition",
            "optics",
            slide=slide_row,
        ),
        seed=plan.settings.seed,
        sheet_folder=str(plan.sheet.parent),
        out=folder_of("table"),
        code=code("simulate"),
    shell:
        "tsva --log {log} simulate --settings {params.settings:q} --seed {params.seed} --sheet-folder {params.sheet_folder:q} --threads {threads}"
        " --out {params.out:q}"
