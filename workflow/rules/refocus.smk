# A method of any kind on a test data set.
rule refocus:
    input:
        table="results/pairs/{dataset}.tsv",
        arrays=arrays_of_dataset,
        checkpoint=checkpoint_input,
        signal=signal_input,
        shots=shots_input,
    output:
        restored="results/refocus/{dataset}/{method}/restored.npy",
        scores="results/refocus/{dataset}/{method}/scores.tsv",
    log:
        "logs/refocus/{dataset}_{method}.log",
    benchmark:
        "results/benchmarks/refocus/{dataset}_{method}.tsv"
    wildcard_constraints:
        method="|".join(plan.whole),
    priority: 1  # before what counts its images
    conda:
        ENV
    threads: cores_of_method
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=settings_of_method,
        seed=plan.settings.seed,
        given=given_to_method,
        part="",
        results=results_of("table", 1),
        out=folder_of("scores"),
        code=code_of_method,
    shell:
        "tsva --log {log} refocus --method {wildcards.method} {params.given} --settings {params.settings:q}"
        " --seed {params.seed} {params.part} --table {input.table} --results {params.results:q}"
        " --threads {threads} --out {params.out:q}"


# The same on a part of the pairs, for slow methods.
use rule refocus as refocus_batch with:
    output:
        temp(directory("results/refocus_batch/{dataset}/{method}/{batch}")),
    log:
        "logs/refocus/{dataset}_{method}_{batch}.log",
    benchmark:
        "results/benchmarks/refocus/{dataset}_{method}_{batch}.tsv"
    wildcard_constraints:
        method="|".join(plan.batched) or "none",
    params:
        settings=settings_of_method,
        seed=plan.settings.seed,
        given=given_to_method,
        part=lambda wildcards: f"--batch {wildcards.batch} --batches {plan.batches(wildcards.method)}",
        results=results_of("table", 1),
        out=lambda wildcards, input, output: output[0],
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
    benchmark:
        "results/benchmarks/gather/{dataset}_{method}.tsv"
    wildcard_constraints:
        method="|".join(plan.batched) or "none",
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        out=folder_of("scores"),
        code=code("gather"),
    shell:
        "tsva --log {log} gather {input} --out {params.out:q}"


# Fields of slides of role refocus that the ingest stage read, as plain images.
rule refocus_fields:
    input:
        checkpoint=given_checkpoint,
        table="results/ingest/{slide}/fields.tsv",
        stacks="results/ingest/{slide}/stacks",
    output:
        table="results/refocused/{slide}/fields.tsv",
        images=directory("results/refocused/{slide}/images"),
    log:
        "logs/refocus_fields/{slide}.log",
    benchmark:
        "results/benchmarks/refocus_fields/{slide}.tsv"
    conda:
        ENV
    threads: all_cores()
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=settings_file("refocus_fields", "refocus", *OFFSETS, "optics"),
        weights=plan.checkpoint_digest(),
        ingest=folder_of("stacks"),
        out=folder_of("images"),
        networks=plan.networks_code(),
        code=code("refocus_fields"),
    shell:
        "tsva --log {log} refocus-fields --checkpoint {input.checkpoint:q} --ingest {params.ingest:q}"
        " --settings {params.settings:q} --threads {threads}"
        " --out {params.out:q}"


# Slides of role refocus, and nothing but what they need.
rule refocused:
    input:
        per_slide("results/refocused/{slide}/fields.tsv", "refocus"),


# Whole slides of role refocus, from their own files: one job a slide. With --keep-going others go on where one fails.
rule refocus_slide:
    input:
        checkpoint=given_checkpoint,
        files=lambda wildcards: [
            ancient(local(path)) for path in plan.inputs(wildcards.slide)
        ],
    output:
        table="results/slides/{slide}/slides.tsv",
    log:
        "logs/refocus_slide/{slide}.log",
    benchmark:
        "results/benchmarks/refocus_slide/{slide}.tsv"
    conda:
        ENV
    threads: all_cores()
    resources:
        mem_mb=more(4000),
        runtime=more(480),
    params:
        settings=settings_file(
            "refocus_slide", "refocus", *OFFSETS, "optics", slide=slide_row
        ),
        weights=plan.checkpoint_digest(),
        data=lambda wildcards: plan.data(wildcards.slide),
        sheet_folder=str(plan.sheet.parent),
        out=folder_of("table"),
        networks=plan.networks_code(),
        code=code("refocus_slide"),
    shell:
        "tsva --log {log} refocus-slide --model {input.checkpoint:q} --settings {params.settings:q}"
        " --sheet-folder {params.sheet_folder:q} --threads {threads} --out {params.out:q}"


rule slides_page:
    input:
        expand("results/slides/{slide}/slides.tsv", slide=plan.whole_slides),
    output:
        page=report(
            "results/slides/index.html",
            caption="../report/slides.rst",
            category="Report",
            labels={"report": "slides", "page": "restored slides"},
        ),
    log:
        "logs/slides_page.log",
    benchmark:
        "results/benchmarks/slides_page/slides_page.tsv"
    conda:
        ENV
    resources:
        mem_mb=more(2000),
        runtime=more(20),
    params:
        folders=[f"results/slides/{slide}" for slide in plan.whole_slides],
        code=code("slides_page"),
    shell:
        "tsva --log {log} slides-page {params.folders:q} --out {output.page:q}"


# Slides of role refocus that are files of their own, as in-focus pyramids, and the page that shows them.
rule slides:
    input:
        ["results/slides/index.html"] if plan.whole_slides else [],
