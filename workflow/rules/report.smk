# Rendering alone: a changed template runs this and nothing else.
rule report:
    input:
        summary="results/evaluate/{report}/summary.json",
        images="results/evaluate/{report}/images",
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
        mem_mb=more(2000),
        runtime=more(20),
    params:
        evaluation=folder_of("summary"),
        out=folder_of("page"),
        code=code("report"),
    shell:
        "tsva --log {log} report --evaluation {params.evaluation:q} --out {params.out:q}"


# The paper's Table I with the bounds that it left out, and the network that restores slides.
rule table1:
    input:
        "results/table1/index.html",


# Every network and every method there is.
rule all_methods:
    input:
        "results/all_methods/index.html",
