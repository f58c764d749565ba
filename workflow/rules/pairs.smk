rule pairs:
    input:
        table="results/ingest/{slide}/fields.tsv",
        stacks="results/ingest/{slide}/stacks",
        simulated=simulated_table,
        fields="results/focus/{slide}/fields.tsv",
        planes="results/focus/{slide}/planes.tsv",
        patches="results/focus/{slide}/patches.tsv",
    output:
        table="results/pairs/{slide}/patches.tsv",
        excluded="results/pairs/{slide}/excluded.tsv",
        patches="results/pairs/{slide}/patches.npy",
        clean="results/pairs/{slide}/clean.npy",
        continuous="results/pairs/{slide}/continuous.npy",
        continuous_clean="results/pairs/{slide}/continuous_clean.npy",
        draws="results/pairs/{slide}/continuous.tsv",
    log:
        "logs/pairs/{slide}.log",
    benchmark:
        "results/benchmarks/pairs/{slide}.tsv"
    priority: first_slide_first
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        simulated=simulated_option,
        settings=settings_file(
            "pairs",
            "acquisition",
            "pairs.patch_px",
            "pairs.align_planes",
            "pairs.truth",
            slide=slide_row,
        ),
        seed=plan.settings.seed,
        ingest=folder_of("stacks"),
        focus=folder_of("fields"),
        results=results_of("draws", 2),
        out=folder_of("draws"),
        code=code("pairs"),
    shell:
        "tsva --log {log} pairs --settings {params.settings:q} --seed {params.seed}"
        " --ingest {params.ingest:q} --focus {params.focus:q} {params.simulated} --results {params.results:q}"
        " --out {params.out:q}"


rule split:
    input:
        tables=expand("results/pairs/{slide}/patches.tsv", slide=plan.paired),
        excluded=expand("results/pairs/{slide}/excluded.tsv", slide=plan.paired),
        ingested=expand("results/ingest/{slide}/fields.tsv", slide=plan.paired),
    output:
        train="results/pairs/train.tsv",
        dataset1="results/pairs/dataset1.tsv",
        dataset2="results/pairs/dataset2.tsv",
        excluded="results/pairs/excluded.tsv",
    log:
        "logs/split.log",
    benchmark:
        "results/benchmarks/split/split.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(1000),
        runtime=more(20),
    params:
        settings=settings_file(
            "split",
            *OFFSETS,
            "pairs.verification_fraction",
            "pairs.split_by",
            "pairs.simulated_test_patches",
        ),
        seed=plan.settings.seed,
        roles=plan.roles(),
        code=code("split"),
    shell:
        "tsva --log {log} split --settings {params.settings:q} --seed {params.seed} --table {input.tables:q}"
        " --excluded {input.excluded:q} --ingested {input.ingested:q} --out-train {output.train} --out-dataset1 {output.dataset1}"
        " --out-dataset2 {output.dataset2} --out-excluded {output.excluded}"
