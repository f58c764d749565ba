rule report:
    input:
        tables=expand(
            "results/pairs/{table}.tsv", table=["train", "excluded", *plan.datasets]
        ),
        ingest=expand("results/ingest/{slide}/fields.tsv", slide=plan.paired),
        focus=expand("results/focus/{slide}/summary.json", slide=plan.paired),
        patches=expand("results/pairs/{slide}/patches.npy", slide=plan.paired),
        simulated=expand(
            ["results/simulate/{slide}/fields.tsv", "results/simulate/{slide}/truth"],
            slide=[slide for slide in plan.paired if plan.is_made_here(slide)],
        ),
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
        page=report(
            "results/{report}/index.html",
            caption="../report/page.rst",
            category="Report",
        ),
        numbers=report(
            "results/{report}/summary.json",
            caption="../report/numbers.rst",
            category="Report",
        ),
    log:
        "logs/report/{report}.log",
    conda:
        ENV
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        settings=settings_file(
            "report",
            "report",
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
        results=results_of("page", 1),
        out=folder_of("page"),
        code=code("report"),
    shell:
        "tsva --log {log} report --settings {params.settings:q} --seed {params.seed} --results {params.results:q} {params.choice}"
        " --sheet {params.sheet:q} --out {params.out:q}"


# The paper's Table I with the bounds that it left out, and the network that restores slides.
rule table1:
    input:
        "results/table1/index.html",


# Every network and every method there is.
rule all_methods:
    input:
        "results/all_methods/index.html",
