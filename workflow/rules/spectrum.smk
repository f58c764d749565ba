rule spectrum:
    input:
        table="results/pairs/train.tsv",
        patches=expand(
            "results/pairs/{slide}/patches.npy", slide=plan.with_role("train")
        ),
        clean=expand("results/pairs/{slide}/clean.npy", slide=plan.with_role("train")),
    output:
        signal="results/spectrum/signal.tsv",
        shots="results/spectrum/shots.npz",
    log:
        "logs/spectrum.log",
    benchmark:
        "results/benchmarks/spectrum/spectrum.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        z_step_um=plan.settings.acquisition.z_step_um,
        results=results_of("table", 1),
        code=code("spectrum"),
    shell:
        "tsva --log {log} spectrum --table {input.table} --results {params.results:q}"
        " --z-step-um {params.z_step_um} --out {output.signal} --shots {output.shots}"
