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
        settings=settings_file(
            "refocus", "refocus", *OFFSETS, "pairs.patch_px", "optics"
        ),
        checkpoint=lambda wildcards, input: (
            f"--checkpoint {input.checkpoint}" if input.checkpoint else ""
        ),
        results=results_of("table", 1),
        out=folder_of("scores"),
        code=code("refocus"),
    shell:
        "tsva --log {log} refocus --method {wildcards.network} {params.checkpoint} --settings {params.settings:q}"
        " --table {input.table} --results {params.results:q}"
        " --threads {threads} --out {params.out:q}"


rule refocus_slide:
    input:
        checkpoint=given_checkpoint,
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
        settings=settings_file("refocus_slide", "refocus", *OFFSETS, "optics"),
        weights=plan.checkpoint_digest(),
        ingest=folder_of("stacks"),
        out=folder_of("images"),
        code=code("refocus_slide"),
    shell:
        "tsva --log {log} refocus-slide --checkpoint {input.checkpoint:q} --ingest {params.ingest:q}"
        " --settings {params.settings:q} --threads {threads}"
        " --out {params.out:q}"


# Slides of role refocus, and nothing but what they need.
rule refocused:
    input:
        per_slide("results/refocused/{slide}/fields.tsv", "refocus"),
