"""Whether jobs can go to Slurm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tsva.pipeline.doctor.finding import Answer, Finding, Level, ask
from tsva.pipeline.doctor.packages import installed

PLUGIN = "snakemake-executor-plugin-slurm"
COMMANDS = ("sbatch", "squeue", "sinfo", "sacct", "scontrol")


@dataclass(frozen=True)
class Cluster:
    """What Slurm's commands answer.

    Attributes
    ----------
    present : mapping of str to bool
        Which of the commands there are.
    partitions : Answer
        Of ``sinfo``: name, state and generic resources, separated by bars.
    queue : Answer
        Of ``squeue``.
    config : Answer
        Of ``scontrol show config``.
    accounting : Answer
        Of ``sacct``.
    plugin : str or None
        Version of Snakemake's executor plugin.
    """

    present: Mapping[str, bool]
    partitions: Answer
    queue: Answer
    config: Answer
    accounting: Answer
    plugin: str | None


def check_slurm(cluster: Cluster, *, wanted: bool, cuda: bool) -> list[Finding]:
    """Judge what was answered.

    Parameters
    ----------
    cluster : Cluster
        As asked.
    wanted : bool
        Whether the run is to use Slurm: what is missing then breaks it.
    cuda : bool
        Whether torch is the CUDA build.
    """
    severity: Level = "bad" if wanted else "note"
    missing = [name for name in ("sbatch", "squeue", "sinfo") if not cluster.present.get(name)]
    if len(missing) == 3:
        if not wanted:
            return [Finding("Slurm", "ok", "not here; jobs run on this machine")]
        return [Finding("Slurm", "bad", "no sbatch, squeue or sinfo", "Go to a login node (module load slurm?)")]
    if missing:
        return [
            Finding("Slurm", severity, f"no {' or '.join(missing)}", "Correct PATH: Slurm's commands belong together")
        ]
    silent = next((answer for answer in (cluster.partitions, cluster.queue) if not answer.ok), None)
    if silent is not None:
        text = silent.text.splitlines()[0] if silent.text else "no answer"
        return [
            Finding(
                "Slurm",
                severity,
                f"its controller doesn't answer: {text}",
                "Ask the cluster's administrators, and look whether SLURM_CONF names the right file",
            )
        ]
    return [
        _partitions(cluster.partitions.text, severity, cuda=cuda),
        _accounting(cluster, severity),
        _plugin(cluster.plugin, severity),
    ]


def _partitions(text: str, severity: Level, *, cuda: bool) -> Finding:
    rows = [line.split("|") for line in text.splitlines() if line.count("|") >= 2]
    names = ", ".join(dict.fromkeys(row[0].rstrip("*") for row in rows))
    up = [row for row in rows if row[1].startswith("up")]
    if not up:
        return Finding(
            "Slurm", severity, f"no partition is up ({names or 'none there'})", "Wait, or ask the administrators"
        )
    gpus = [row[0].rstrip("*") for row in up if "gpu" in row[2]]
    if gpus and not cuda:
        return Finding(
            "Slurm",
            "note",
            f"partitions {names}; GPUs in {', '.join(dict.fromkeys(gpus))}, and a CPU build of torch",
            "TSVA_TORCH=cuda bash envs/setup.sh, where jobs are to use them",
        )
    return Finding("Slurm", "ok", f"answers; partitions {names}")


def _accounting(cluster: Cluster, severity: Level) -> Finding:
    """Snakemake's plugin asks sacct for the state of jobs; without accounting squeue forgets finished ones soon."""
    kind = re.search(r"^AccountingStorageType\s*=\s*(\S+)", cluster.config.text, re.MULTILINE)
    off = kind is not None and kind[1] in ("accounting_storage/none", "(null)")
    if cluster.accounting.ok and not off:
        return Finding("Slurm accounting", "ok", "sacct answers")
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", cluster.config.text, re.MULTILINE)
    why = "is off" if off else "doesn't answer (" + (cluster.accounting.text.splitlines() or ["no word"])[0] + ")"
    remembered = f"; finished jobs are remembered for {age[1]} s" if age else ""
    level: Level = severity if age and int(age[1]) < 120 else "note"
    return Finding(
        "Slurm accounting",
        level,
        f"{why}{remembered}",
        "Run with --slurm-status-command squeue; where jobs are remembered for less than 2 minutes, ask for more"
        " (MinJobAge)",
    )


def _plugin(version: str | None, severity: Level) -> Finding:
    if version is None:
        return Finding("Slurm plugin", severity, f"{PLUGIN} is not installed", f"pip install {PLUGIN}")
    return Finding("Slurm plugin", "ok", f"{PLUGIN} {version}")


def look(*, wanted: bool, cuda: bool) -> list[Finding]:
    """All of it, of this machine."""
    from shutil import which

    cluster = Cluster(
        present={name: which(name) is not None for name in COMMANDS},
        partitions=ask("sinfo", "--noheader", "--format=%P|%a|%G"),
        queue=ask("squeue", "--noheader", "--me"),
        config=ask("scontrol", "show", "config"),
        accounting=ask("sacct", "--noheader", "--allocations", "--format=JobID"),
        plugin=installed([PLUGIN]).get(PLUGIN),
    )
    return check_slurm(cluster, wanted=wanted, cuda=cuda)
