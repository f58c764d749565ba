# Pictures of the first test slide within the first minute, and of each network as soon as it has restored that slide.
rule first_look:
    input:
        lambda wildcards: f"results/pairs/{plan.first_look_slide}/patches.npy",
    output:
        page="results/first_look/index.html",
        shots="results/first_look/shots.jpg",
    log:
        "logs/first_look.log",
    conda:
        ENV
    resources:
        mem_mb=more(1000),
        runtime=more(20),
    params:
        pairs=plan.section("pairs", *plan.OFFSETS),
        slide=plan.first_look_slide,
        methods=",".join(plan.networks),
        code=code("first_look"),
    shell:
        "tsva --log {log} first-look --pairs {params.pairs:q} --slide {params.slide:q} --methods {params.methods:q}"
        " --results results --out results/first_look"


rule first_look_method:
    input:
        patches=lambda wildcards: f"results/pairs/{plan.first_look_slide}/patches.npy",
        table="results/pairs/dataset1.tsv",
        restored="results/refocus/dataset1/{network}/restored.npy",
    output:
        "results/first_look/{network}.jpg",
    log:
        "logs/first_look/{network}.log",
    priority: 3
    conda:
        ENV
    resources:
        mem_mb=more(1000),
        runtime=more(20),
    params:
        pairs=plan.section("pairs", *plan.OFFSETS),
        slide=plan.first_look_slide,
        code=code("first_look"),
    shell:
        "tsva --log {log} first-look --pairs {params.pairs:q} --slide {params.slide:q} --method {wildcards.network}"
        " --dataset dataset1 --results results --out results/first_look"
