rule refocus:
    input:
        table="results/pairs/{dataset}.tsv",
        arrays=arrays_of_dataset,
        checkpoint=checkpoint_input,
    output:
        restored="results/refocus/{dataset}/{network}/restored.npy",
        scores="results/refocus/{dataset}/{network}/scores.tsv",
    log:
        "logs/refocus/{dataset}_{network}.log",
    priority: 1  # before what counts its images
    conda:
        ENV
    threads: share_of_cores(len(plan.networks) * len(plan.datasets), gpu=True)
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=plan.section("refocus"),
        pairs=plan.section("pairs", *plan.OFFSETS, "patch_px"),
        optics=plan.section("optics"),
        checkpoint=lambda wildcards, input: (
            f"--checkpoint {input.checkpoint}" if input.checkpoint else ""
        ),
        code=code("refocus"),
    shell:
        "tsva --log {log} refocus --method {wildcards.network} {params.checkpoint} --settings {params.settings:q}"
        " --pairs {params.pairs:q} --optics {params.optics:q} --table {input.table} --results results"
        " --threads {threads} --out results/refocus/{wildcards.dataset}/{wildcards.network}"


rule refocus_slide:
    input:
        checkpoint=lambda wildcards: (
            ancient(plan.checkpoint) if plan.settings.checkpoint else plan.checkpoint
        ),
        table="results/ingest/{slide}/fields.tsv",
        stacks="results/ingest/{slide}/stacks",
    output:
        table="results/refocused/{slide}/fields.tsv",
        images=directory("results/refocused/{slide}/images"),
    log:
        "logs/refocus_slide/{slide}.log",
    conda:
        ENV
    threads: all_cores()
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=plan.section("refocus"),
        pairs=plan.section("pairs", *plan.OFFSETS),
        optics=plan.section("optics"),
        weights=plan.checkpoint_digest(),
        code=code("refocus_slide"),
    shell:
        "tsva --log {log} refocus-slide --checkpoint {input.checkpoint:q} --ingest results/ingest/{wildcards.slide}"
        " --settings {params.settings:q} --pairs {params.pairs:q} --optics {params.optics:q} --threads {threads}"
        " --out results/refocused/{wildcards.slide}"


# Slides of role refocus, and nothing but what they need.
rule refocused:
    input:
        per_slide("results/refocused/{slide}/fields.tsv", "refocus"),
