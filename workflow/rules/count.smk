rule count:
    input:
        table="results/pairs/{dataset}.tsv",
        patches=lambda wildcards: per_slide(
            "results/pairs/{slide}/patches.npy", wildcards.dataset
        ),
        restored="results/refocus/{dataset}/{method}/restored.npy",
    output:
        "results/count/{dataset}/{method}.tsv",
    log:
        "logs/count/{dataset}_{method}.log",
    conda:
        ENV
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=plan.section("count"),
        optics=plan.section("optics", "pixel_um"),
        code=code("count"),
    shell:
        "tsva --log {log} count --settings {params.settings:q} --optics {params.optics:q} --table {input.table}"
        " --refocus results/refocus/{wildcards.dataset}/{wildcards.method} --results results --threads {threads}"
        " --out {output}"
