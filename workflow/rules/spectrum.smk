rule spectrum:
    input:
        table="results/pairs/train.tsv",
        patches=expand(
            "results/pairs/{slide}/patches.npy", slide=plan.with_role("train")
        ),
    output:
        "results/spectrum/signal.tsv",
    log:
        "logs/spectrum.log",
    benchmark:
        "results/benchmarks/spectrum/spectrum.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        results=results_of("table", 1),
        code=code("spectrum"),
    shell:
        "tsva --log {log} spectrum --table {input.table} --results {params.results:q} --out {output}"
