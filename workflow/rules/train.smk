rule train:
    input:
        table="results/pairs/train.tsv",
        patches=expand(
            "results/pairs/{slide}/patches.npy", slide=plan.with_role("train")
        ),
    output:
        model="results/train/{network}/model.ckpt",
        log="results/train/{network}/log.csv",
        summary="results/train/{network}/summary.json",
    log:
        "logs/train/{network}.log",
    priority: 2  # the longest jobs; others fill the gaps
    conda:
        ENV
    threads: share_of_cores(len(plan.networks))
    resources:
        mem_mb=more(8000),
        runtime=more(1440),
    params:
        settings=plan.train_section(),
        pairs=plan.section("pairs", *plan.OFFSETS, "patch_px", "offset_sd_um"),
        optics=plan.section("optics"),
        seed=plan.settings.seed,
        code=code("train"),
    shell:
        "tsva --log {log} train --network {wildcards.network} --settings {params.settings:q} --pairs {params.pairs:q}"
        " --optics {params.optics:q} --seed {params.seed} --table {input.table} --results results --threads {threads}"
        " --out results/train/{wildcards.network}"
