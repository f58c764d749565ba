# Rendering alone: a changed template runs this and nothing else.
rule report:
    input:
        summary="results/evaluate/{report}/summary.json",
        tables="results/evaluate/{report}/tables",
        images="results/evaluate/{report}/images",
    output:
        page=report(
            "results/{report}/index.html",
            caption="../report/page.rst",
            category="Report",
            labels={"report": "{report}", "page": "answer and evidence"},
        ),
        inputs=report(
            "results/{report}/inputs.html",
            caption="../report/inputs.rst",
            category="Report",
            labels={"report": "{report}", "page": "inputs, slide by slide"},
        ),
        numbers=report(
            "results/{report}/summary.json",
            caption="../report/numbers.rst",
            category="Report",
            labels={"report": "{report}", "page": "all numbers"},
        ),
        figures=report(
            directory("results/{report}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"report": "{report}", "figure": "{figure}"},
        ),
        tables=report(
            directory("results/{report}/tables"),
            patterns=["{table}.tsv"],
            caption="../report/table.rst",
            category="Tables",
            labels={"report": "{report}", "table": "{table}"},
        ),
    log:
        "logs/report/{report}.log",
    benchmark:
        "results/benchmarks/report/{report}.tsv"
    conda:
        ENV
    threads: all_cores()
    resources:
        mem_mb=more(2000),
        runtime=more(20),
    params:
        evaluation=folder_of("summary"),
        out=folder_of("page"),
        code=code("report"),
    shell:
        "tsva --log {log} report --evaluation {params.evaluation:q} --threads {threads} --out {params.out:q}"


# The paper's Table I with the bounds that it left out, and the network that restores slides.
rule table1:
    input:
        "results/table1/index.html",


# Every network and every method there is.
rule all_methods:
    input:
        "results/all_methods/index.html",


# This run beside earlier ones, named by `compare`. A regression is reported on the page and in the log; it fails no run.
rule compare:
    input:
        "results/evaluate/report/summary.json",
    output:
        page=report(
            "results/compare/index.html",
            caption="../report/compare.rst",
            category="Report",
            labels={"report": "report", "page": "runs compared"},
        ),
        table="results/compare/comparison.tsv",
    log:
        "logs/compare.log",
    benchmark:
        "results/benchmarks/compare/compare.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(20),
    params:
        runs=list(plan.settings.compare),
        own=results_of("table", 1),
        out=folder_of("table"),
        code=code("compare"),
    shell:
        "tsva --log {log} compare {params.runs:q} {params.own:q} --exit-zero --out {params.out:q}"


rule compared:
    input:
        "results/compare/index.html",
