# A method without training, a batch of a data set's pairs in each job.
rule baseline:
    input:
        table="results/pairs/{dataset}.tsv",
        arrays=arrays_of_dataset,
        signal="results/spectrum/signal.tsv",
    output:
        temp(directory("results/baseline/{dataset}/{baseline}/{batch}")),
    log:
        "logs/baseline/{dataset}_{baseline}_{batch}.log",
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        settings=settings_file(
            "baseline",
            "baselines",
            "methods.slow",
            "methods.sample_per_offset",
            "acquisition",
            "pairs.patch_px",
            "optics",
            true_optics=lambda wildcards: plan.true_optics(wildcards.dataset),
        ),
        seed=plan.settings.seed,
        batches=lambda wildcards: plan.batches(wildcards.baseline),
        results=results_of("table", 1),
        code=code("baseline"),
    shell:
        "tsva --log {log} baseline --method {wildcards.baseline} --settings {params.settings:q}"
        " --signal {input.signal} --seed {params.seed}"
        " --batch {wildcards.batch} --batches {params.batches} --table {input.table} --results {params.results:q} --out {output}"


rule gather:
    input:
        lambda wildcards: expand(
            "results/baseline/{{dataset}}/{{baseline}}/{batch}",
            batch=range(plan.batches(wildcards.baseline)),
        ),
    output:
        restored="results/refocus/{dataset}/{baseline}/restored.npy",
        scores="results/refocus/{dataset}/{baseline}/scores.tsv",
    log:
        "logs/gather/{dataset}_{baseline}.log",
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        out=folder_of("scores"),
        code=code("gather"),
    shell:
        "tsva --log {log} gather {input} --out {params.out:q}"
