rule count:
    input:
        table="results/pairs/{dataset}.tsv",
        patches=lambda wildcards: per_slide(
            "results/pairs/{slide}/patches.npy", wildcards.dataset
        ),
        restored="results/refocus/{dataset}/{method}/restored.npy",
        scores="results/refocus/{dataset}/{method}/scores.tsv",
        truth=lambda wildcards: truth_of(plan.with_role(wildcards.dataset)),
    output:
        "results/count/{dataset}/{method}.tsv",
    log:
        "logs/count/{dataset}_{method}.log",
    benchmark:
        "results/benchmarks/count/{dataset}_{method}.tsv"
    conda:
        ENV
    threads: share_of_cores(counted_tables(), cluster=1)
    resources:
        mem_mb=more(1000, each_core=1000),
        runtime=more(60),
    params:
        settings=settings_file("count", "count"),
        refocus=folder_of("scores"),
        results=results_of("table", 1),
        code=code("count"),
    shell:
        "tsva --log {log} count --settings {params.settings:q} --table {input.table}"
        " --refocus {params.refocus:q} --results {params.results:q} --threads {threads}"
        " --out {output}"
