rule fetch:
    output:
        sheet=local(plan.settings.fetch.sheet),
        archives="results/fetch/archives.tsv",
        counts="results/fetch/counts.tsv",
        deviations="results/fetch/deviations.tsv",
    log:
        "logs/fetch.log",
    benchmark:
        "results/benchmarks/fetch/fetch.tsv"
    localrule: True  # compute nodes often reach no network
    conda:
        ENV
    params:
        settings=settings_file("fetch", "fetch"),
        out=folder_of("counts"),
        code=code("fetch"),
    shell:
        "tsva --log {log} fetch --settings {params.settings:q} --out {params.out:q}"


# The data set of Jiang et al. 2018 and its slide sheet (docs/jiang2018.md).
rule fetched:
    input:
        rules.fetch.output,
