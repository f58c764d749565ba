# Settings and all rules, for either Snakefile.
from snakemake.utils import min_version

min_version("9.10")


def shipped(name):
    """A file of the workflow's own config folder, wherever the workflow lies."""
    path = workflow.current_basedir.join(f"../../config/{name}").get_path_or_uri(
        secret_free=True
    )
    return (
        path if Path(path).is_file() else workflow.source_path(f"../../config/{name}")
    )


# Another working directory has settings of its own, or those of the embedded default.
SETTINGS = "config/config.yaml"
if not Path(SETTINGS).is_file():
    SETTINGS = shipped("config.yaml")


configfile: SETTINGS


include: "common.smk"
include: "fetch.smk"
include: "simulate.smk"
include: "ingest.smk"
include: "focus.smk"
include: "pairs.smk"
include: "spectrum.smk"
include: "train.smk"
include: "refocus.smk"
include: "count.smk"
include: "advise.smk"
include: "evaluate.smk"
include: "report.smk"
include: "first_look.smk"
include: "export.smk"


# Snakemake allows a rule no benchmark whose output comes from the cache (--cache).
for known in workflow.rules:
    if known.name in (workflow.workflow_settings.cache or ()):
        known._benchmark = None
