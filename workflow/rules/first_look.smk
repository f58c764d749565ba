# Pictures of the first test slide within the first minute, and of each network as soon as it has restored that slide.
rule first_look:
    input:
        patches=lambda wildcards: f"results/pairs/{plan.first_look_slide}/patches.npy",
    output:
        page="results/first_look/index.html",
        shots="results/first_look/shots.jpg",
    log:
        "logs/first_look.log",
    benchmark:
        "results/benchmarks/first_look/first_look.tsv"
    priority: 5  # within the first minute
    conda:
        ENV
    resources:
        mem_mb=more(1000),
        runtime=more(20),
    params:
        settings=settings_file("first_look", *OFFSETS),
        slide=plan.first_look_slide,
        methods=",".join(plan.networks),
        results=results_of("patches", 2),
        out=folder_of("page"),
        code=code("first_look"),
    shell:
        "tsva --log {log} first-look --settings {params.settings:q} --slide {params.slide:q}"
        " --methods {params.methods:q} --results {params.results:q} --out {params.out:q}"


rule first_look_method:
    input:
        patches=lambda wildcards: f"results/pairs/{plan.first_look_slide}/patches.npy",
        table="results/pairs/dataset1.tsv",
        restored="results/refocus/dataset1/{network}/restored.npy",
    output:
        picture="results/first_look/{network}.jpg",
    log:
        "logs/first_look/{network}.log",
    benchmark:
        "results/benchmarks/first_look/{network}.tsv"
    priority: 3
    conda:
        ENV
    resources:
        mem_mb=more(1000),
        runtime=more(20),
    params:
        settings=settings_file("first_look", *OFFSETS),
        slide=plan.first_look_slide,
        results=results_of("table", 1),
        out=folder_of("picture"),
        code=code("first_look"),
    shell:
        "tsva --log {log} first-look --settings {params.settings:q} --slide {params.slide:q}"
        " --method {wildcards.network} --dataset dataset1 --results {params.results:q} --out {params.out:q}"
