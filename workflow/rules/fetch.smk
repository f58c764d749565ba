# Compute nodes often reach no network.
localrules:
    fetch,


rule fetch:
    output:
        sheet=plan.settings.fetch.sheet,
        archives="results/fetch/archives.tsv",
        counts="results/fetch/counts.tsv",
        deviations="results/fetch/deviations.tsv",
    log:
        "logs/fetch.log",
    conda:
        ENV
    params:
        settings=settings_file("fetch", "fetch"),
        code=code("fetch"),
    shell:
        "tsva --log {log} fetch --settings {params.settings:q} --out results/fetch"


# The data set of Jiang et al. 2018 and its slide sheet (docs/jiang2018.md).
rule fetched:
    input:
        rules.fetch.output,
