rule count:
    input:
        table="results/pairs/{dataset}.tsv",
        patches=lambda wildcards: per_slide("results/pairs/{slide}/patches.npy", wildcards.dataset),
        restored="results/refocus/{dataset}/{method}/restored.npy",
    output:
        "results/count/{dataset}/{method}.tsv",
    params:
        settings=plan.section("count"),
        optics=plan.section("optics", "pixel_um"),
        code=code("count"),
    log:
        "logs/count/{dataset}_{method}.log",
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        ENV
    shell:
        "tsva --log {log} count --settings {params.settings:q} --optics {params.optics:q} --table {input.table}"
        " --refocus results/refocus/{wildcards.dataset}/{wildcards.method} --results results --threads {threads}"
        " --out {output}"
