# Which distance of shots to scan with: digital tissue alone, no data.
rule advise:
    output:
        delta="results/advise/delta.tsv",
        patches="results/advise/patches.tsv",
        summary="results/advise/summary.json",
    log:
        "logs/advise.log",
    benchmark:
        "results/benchmarks/advise/advise.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        settings=settings_file(
            "advise",
            "advise",
            "optics",
            "acquisition",
            "baselines",
            "simulate.section_layers",
            "simulate.fine_detail",
            microscope=plan.first_microscope(),
        ),
        seed=plan.settings.seed,
        out=folder_of("delta"),
        code=code("advise"),
    shell:
        "tsva --log {log} advise --settings {params.settings:q} --seed {params.seed} --out {params.out:q}"
