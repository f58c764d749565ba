# Not part of the default target: `snakemake exported` writes every trained network for other programs.
rule export:
    input:
        checkpoint="results/train/{network}/model.ckpt",
        report=["results/evaluate/report/summary.json"] if plan.datasets else [],
    output:
        onnx="results/export/{network}/model.onnx",
        package="results/export/{network}/rdf.yaml",
        card="results/export/{network}/README.md",
    log:
        "logs/export/{network}.log",
    benchmark:
        "results/benchmarks/export/{network}.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        settings=settings_file("export", "export"),
        report=lambda wildcards, input: (
            f"--report {input.report}" if input.report else ""
        ),
        out=folder_of("onnx"),
        network=lambda wildcards: plan.method_code(wildcards.network),
        code=code("export"),
    shell:
        "tsva --log {log} export --checkpoint {input.checkpoint} {params.report} --settings {params.settings:q}"
        " --out {params.out:q}"


rule exported:
    input:
        expand("results/export/{network}/rdf.yaml", network=plan.networks),
