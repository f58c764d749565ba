import shutil
import sys

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from tsva.cli.fork_server import ForkServer
from tsva.errors import UserError
from tsva.pipeline.plan import Plan
from tsva.pipeline.progress import RemainingTime
from tsva.settings.methods import METHODS


report: "../report/workflow.rst"


ENV = "../../envs/tsva.yaml"
DRY_RUN = any(re.fullmatch(r"-\w*n\w*|--dry-?run", word) for word in sys.argv)

try:
    plan = Plan(
        config, state=Path(".snakemake/tsva"), shipped_sheet=Path(shipped("slides.tsv"))
    )
except UserError as error:
    raise WorkflowError(str(error)) from None


OFFSETS = (
    "acquisition.delta_um",
    "acquisition.offset_max_um",
    "acquisition.z_step_um",
)
"""Keys that are checked against each other, so that a stage gets all of them or none."""


wildcard_constraints:
    slide="|".join(map(re.escape, plan.slides)) or "none",
    dataset="dataset1|dataset2",
    network="|".join(plan.trainable) or "none",
    method="|".join([*plan.whole, *plan.batched]),
    batch=r"\d+",
    report="|".join(plan.reports),


def everything():
    """The report where there is something to compare, and the slides of role refocus."""
    if plan.awaits_fetch:
        return [plan.settings.fetch.sheet]
    return [
        *(["results/report/index.html"] if plan.datasets else []),
        *per_slide("results/refocused/{slide}/fields.tsv", "refocus"),
        *expand("results/train/{network}/model.ckpt", network=plan.networks),
        *first_pictures(),
    ]


def first_pictures():
    """The page of first pictures, and each network's picture on it."""
    if not plan.first_look_slide:
        return []
    return [
        "results/first_look/index.html",
        *expand("results/first_look/{network}.jpg", network=plan.networks),
    ]


def per_slide(pattern, *roles):
    """A file for each slide of these roles (of all roles, without)."""
    return expand(pattern, slide=plan.with_role(*roles) if roles else list(plan.slides))


def arrays_of_dataset(wildcards):
    """What the patches of a test data set lie in; shots without noise are read for one control alone."""
    names = ["patches.npy", "clean.npy", "continuous.npy", "continuous.tsv"]
    if METHODS[wildcards.method].noise_free:
        names.append("continuous_clean.npy")
    return expand(
        per_slide("results/pairs/{slide}/{{file}}", wildcards.dataset), file=names
    )


def truth_of(slides):
    """What the simulate stage wrote of these slides, where it made them: the table of fields and the truth."""
    return expand(
        ["results/simulate/{slide}/fields.tsv", "results/simulate/{slide}/truth"],
        slide=[slide for slide in slides if plan.is_made_here(slide)],
    )


def simulated_table(wildcards):
    """The simulate stage's table, for slides whose stacks it makes."""
    return (
        [f"results/simulate/{wildcards.slide}/fields.tsv"]
        if plan.is_made_here(wildcards.slide)
        else []
    )


# A module's `prefix` reaches inputs and outputs, but no text of a command: folders are taken from those.


def folder_of(file):
    """The folder of a named input or output, as a job's parameter."""
    return lambda wildcards, input, output: str(
        Path(_named(input, output, file)).parent
    )


def results_of(file, depth):
    """The folder `results` of a named input or output that lies so many folders below it."""
    return lambda wildcards, input, output: str(
        Path(_named(input, output, file)).parents[depth]
    )


def _named(input, output, file):
    return output[file] if file in output.keys() else input[file]


def simulated_option(wildcards, input):
    """The option that names the folder of simulated stacks."""
    tables = [input.simulated] if isinstance(input.simulated, str) else input.simulated
    return "".join(f"--simulated {Path(table).parent}" for table in tables)


def given_checkpoint(wildcards):
    """The checkpoint for slides of role refocus; a given one is the user's file, and judged by its content."""
    path = plan.checkpoint
    return ancient(local(path)) if plan.settings.checkpoint else path


def checkpoint_input(wildcards):
    """The checkpoint of a network; methods without training need none."""
    return (
        [f"results/train/{wildcards.method}/model.ckpt"]
        if wildcards.method in plan.trainable
        else []
    )


def signal_input(wildcards):
    """The mean spectrum of training slides, for methods without training."""
    return ["results/spectrum/signal.tsv"] if wildcards.method in plan.baselines else []


def shots_input(wildcards):
    """The cross-spectra of training slides' planes, for methods that learn from them."""
    return ["results/spectrum/shots.npz"] if METHODS[wildcards.method].learned else []


def cores_of_method(wildcards):
    """Networks share the cores; other methods take one."""
    if wildcards.method not in plan.trainable:
        return 1
    return share_of_cores(len(plan.networks) * len(plan.datasets), gpu=True)


def given_to_method(wildcards, input):
    """The options that name a method's inputs beside the pairs."""
    files = {name: input.get(name) for name in ("checkpoint", "signal", "shots")}
    return " ".join(f"--{name} {file}" for name, file in files.items() if file)


def settings_of_method(wildcards):
    """The settings file of a method: a parameter of baselines runs no network anew."""
    uses, facts = ["refocus"], {}
    if wildcards.method in plan.baselines:
        uses = ["baselines", "methods.slow", "methods.sample_per_offset"]
        facts = {"true_optics": plan.true_optics(wildcards.dataset)}
    return plan.settings_file(
        "refocus",
        *uses,
        *OFFSETS,
        "pairs.patch_px",
        "pairs.share_draws",
        "optics",
        **facts,
    )


def code_of_method(wildcards):
    """As `code` of the stage that applies methods, with the fingerprint of the method's own code."""
    return " ".join(
        [plan.code("refocus"), plan.method_code(wildcards.method), *wildcards]
    )


def more(amount, each_core=0):
    """Memory or minutes that double with every attempt, where a profile lets a killed job be submitted anew.

    `each_core`: what every process of the job takes beside that.
    """
    return lambda wildcards, attempt, threads: (amount + each_core * threads) * 2 ** (
        attempt - 1
    )


def cores_given():
    """The cores of this machine that the run may use; None on a cluster, whose profile names none."""
    try:
        return workflow.cores
    except WorkflowError:
        return None


def all_cores():
    """Cores of a job that uses whatever there is; where nobody says how many, 4."""
    return cores_given() or 4


def share_of_cores(jobs, gpu=False, cluster=None):
    """Cores of each of so many jobs side by side, so that none lies idle beside a job that takes one.

    A GPU takes one job at a time. A job of a cluster has its cores to itself: `cluster` of them, if given, as for jobs
    that are submitted in groups.
    """
    alone = gpu and shutil.which("nvidia-smi")
    if not cores_given() or not workflow.is_main_process or alone:
        return cluster or all_cores()
    return max(1, cores_given() // max(1, jobs))


def first_slide_first(wildcards):
    """Priority of a slide's jobs: the slide of the first pictures, then those that training waits for."""
    if wildcards.slide == plan.first_look_slide:
        return 5
    return 1 if plan.slides[wildcards.slide].role == "train" else 0


def listed_first(wildcards):
    """Priority of training: networks in the order of train.networks, so that the longest can be named first."""
    order = [*reversed(plan.networks)]
    return 2 + (order.index(wildcards.network) if wildcards.network in order else 0)


def counted_tables():
    """Tables that the count stage writes for the report."""
    return len(plan.reports["report"]) * len(plan.datasets)


def settings_file(stage, *uses, **facts):
    """The settings file of a stage's job, whose name changes with what the stage uses and with nothing else.

    `uses` are sections, or keys of one (``"pairs.patch_px"``); `facts` are further entries, or functions of wildcards.
    """
    return lambda wildcards: plan.settings_file(
        stage,
        *uses,
        **{
            name: fact(wildcards) if callable(fact) else fact
            for name, fact in facts.items()
        },
    )


def training(wildcards):
    """The training settings of the job's network."""
    try:
        return plan.training(wildcards.network)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def slide_row(wildcards):
    """The slide's row of the sheet."""
    return plan.row(wildcards.slide)


def code(stage):
    """The fingerprint of a stage's code, and the job's wildcards: what Snakemake compares as a parameter.

    Its cache between working directories tells jobs by parameters and inputs, but not by wildcards.
    """
    return lambda wildcards: " ".join(
        [plan.code(stage, getattr(wildcards, "slide", None)), *wildcards]
    )


if workflow.is_main_process and cores_given() and not DRY_RUN:
    logger.addHandler(
        RemainingTime(cores_given(), Path(".snakemake/tsva/seconds.json"))
    )


fork_server = ForkServer()


onstart:
    if workflow.local_exec and workflow.is_main_process and not workflow.dryrun:
        fork_server.start()
    if plan.first_look_slide and not Path("results/first_look/index.html").exists():
        logger.info(
            "First pictures, within a minute: "
            f"{Path('results/first_look/index.html').absolute()} (the page fills as methods finish)"
        )


onsuccess:
    fork_server.end()


onerror:
    fork_server.end()


if plan.awaits_fetch:
    logger.info(
        f"This run fetches {plan.sheet}; run the same command again to go on with it."
    )

if DRY_RUN:
    logger.info(
        f"About {plan.disk_bytes() / 1e9:.1f} GB of disk will hold the stacks and patches under results/."
    )
