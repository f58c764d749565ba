# A method of any kind on a test data set.
rule refocus:
    input:
        table="results/pairs/{dataset}.tsv",
        arrays=arrays_of_dataset,
        checkpoint=checkpoint_input,
        signal=signal_input,
    output:
        restored="results/refocus/{dataset}/{method}/restored.npy",
        scores="results/refocus/{dataset}/{method}/scores.tsv",
    log:
        "logs/refocus/{dataset}_{method}.log",
    wildcard_constraints:
        method="|".join(plan.whole) or "none",
    priority: 1  # before what counts its images
    conda:
        ENV
    threads: cores_of_method
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=plan.section("refocus"),
        baselines=plan.section("baselines"),
        methods=plan.section("methods", "slow", "sample_per_offset"),
        pairs=plan.section("pairs", *plan.OFFSETS, "patch_px", "offset_sd_um"),
        optics=plan.section("optics"),
        true_optics=lambda wildcards: plan.true_optics(wildcards.dataset),
        seed=plan.settings.seed,
        given=lambda wildcards, input: " ".join(
            f"--{name} {input[name]}"
            for name in ("checkpoint", "signal")
            if input.get(name)
        ),
        part="",
        out="results/refocus/{dataset}/{method}",
        code=code_of_method,
    shell:
        "tsva --log {log} refocus --method {wildcards.method} {params.given} --settings {params.settings:q}"
        " --baselines {params.baselines:q} --methods {params.methods:q} --pairs {params.pairs:q}"
        " --optics {params.optics:q} --true-optics {params.true_optics:q} --seed {params.seed} {params.part}"
        " --table {input.table} --results results --threads {threads} --out {params.out}"


# A part of a slow method's pairs.
use rule refocus as refocus_batch with:
    output:
        temp(directory("results/refocus_batch/{dataset}/{method}/{batch}")),
    log:
        "logs/refocus/{dataset}_{method}_{batch}.log",
    wildcard_constraints:
        method="|".join(plan.batched) or "none",
    params:
        settings=plan.section("refocus"),
        baselines=plan.section("baselines"),
        methods=plan.section("methods", "slow", "sample_per_offset"),
        pairs=plan.section("pairs", *plan.OFFSETS, "patch_px", "offset_sd_um"),
        optics=plan.section("optics"),
        true_optics=lambda wildcards: plan.true_optics(wildcards.dataset),
        seed=plan.settings.seed,
        given=lambda wildcards, input: " ".join(
            f"--{name} {input[name]}"
            for name in ("checkpoint", "signal")
            if input.get(name)
        ),
        part=lambda wildcards: f"--batch {wildcards.batch} --batches {plan.batches(wildcards.method)}",
        out="results/refocus_batch/{dataset}/{method}/{batch}",
        code=code_of_method,


rule gather:
    input:
        lambda wildcards: expand(
            "results/refocus_batch/{{dataset}}/{{method}}/{batch}",
            batch=range(plan.batches(wildcards.method)),
        ),
    output:
        restored="results/refocus/{dataset}/{method}/restored.npy",
        scores="results/refocus/{dataset}/{method}/scores.tsv",
    log:
        "logs/gather/{dataset}_{method}.log",
    wildcard_constraints:
        method="|".join(plan.batched) or "none",
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        pairs=plan.section("pairs", *plan.OFFSETS),
        code=code("gather"),
    shell:
        "tsva --log {log} gather {input} --pairs {params.pairs:q} --out results/refocus/{wildcards.dataset}/{wildcards.method}"


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
