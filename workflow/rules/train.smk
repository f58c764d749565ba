rule train:
    input:
        table="results/pairs/train.tsv",
        patches=expand(
            "results/pairs/{slide}/{file}",
            slide=plan.with_role("train"),
            file=["patches.npy", "clean.npy", "continuous.npy", "continuous.tsv"],
        ),
    output:
        model="results/train/{network}/model.ckpt",
        log="results/train/{network}/log.csv",
        summary="results/train/{network}/summary.json",
    log:
        "logs/train/{network}.log",
    benchmark:
        "results/benchmarks/train/{network}.tsv"
    priority: listed_first  # the longest jobs; others fill the gaps
    conda:
        ENV
    threads: share_of_cores(len(plan.networks))
    resources:
        mem_mb=more(8000),
        runtime=more(1440),
    params:
        settings=settings_file(
            "train",
            "acquisition",
            "pairs.patch_px",
            "optics",
            train=training,
        ),
        seed=plan.settings.seed,
        results=results_of("table", 1),
        out=folder_of("model"),
        code=lambda wildcards: " ".join(
            [plan.code("train"), plan.method_code(wildcards.network), *wildcards]
        ),
    shell:
        "tsva --log {log} train --network {wildcards.network} --settings {params.settings:q}"
        " --seed {params.seed} --table {input.table} --results {params.results:q} --threads {threads}"
        " --out {params.out:q}"
