# Statistics, intervals and pictures of one report: all that it says.
rule evaluate:
    input:
        tables=expand(
            "results/pairs/{table}.tsv", table=["train", "excluded", *plan.datasets]
        ),
        ingest=expand(
            "results/ingest/{slide}/{table}.tsv",
            slide=plan.paired,
            table=["fields", "planes"],
        ),
        focus=expand("results/focus/{slide}/summary.json", slide=plan.paired),
        planes=expand("results/focus/{slide}/planes.tsv", slide=plan.paired),
        patches=expand("results/pairs/{slide}/patches.npy", slide=plan.paired),
        simulated=truth_of(plan.paired),
        advice="results/advise/summary.json",
        training=lambda wildcards: expand(
            "results/train/{network}/summary.json",
            network=[m for m in plan.reports[wildcards.report] if m in plan.trainable],
        ),
        scores=lambda wildcards: expand(
            "results/refocus/{dataset}/{method}/scores.tsv",
            dataset=plan.datasets,
            method=plan.reports[wildcards.report],
        ),
        counts=lambda wildcards: expand(
            "results/count/{dataset}/{method}.tsv",
            dataset=plan.datasets,
            method=plan.reports[wildcards.report],
        ),
    output:
        summary="results/evaluate/{report}/summary.json",
        tables=directory("results/evaluate/{report}/tables"),
        images=directory("results/evaluate/{report}/images"),
    log:
        "logs/evaluate/{report}.log",
    benchmark:
        "results/benchmarks/evaluate/{report}.tsv"
    conda:
        ENV
    threads: all_cores()
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        settings=settings_file(
            "evaluate",
            "report.confidence",
            "report.examples",
            "report.worst",
            "acquisition",
            "pairs",
            "optics",
            "count",
            "train",
            run=plan.facts(),
        ),
        seed=plan.settings.seed,
        sheet=plan.sheet,
        sheet_content=plan.sheet_digest(),
        choice=lambda wildcards: " ".join(
            [f"--dataset {dataset}" for dataset in plan.datasets]
            + [f"--method {method}" for method in plan.reports[wildcards.report]]
        ),
        results=results_of("summary", 2),
        out=folder_of("summary"),
        code=code("evaluate"),
    shell:
        "tsva --log {log} evaluate --settings {params.settings:q} --seed {params.seed} --results {params.results:q} {params.choice}"
        " --sheet {params.sheet:q} --threads {threads} --out {params.out:q}"
