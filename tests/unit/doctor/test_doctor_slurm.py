"""Clusters that answer, and others."""

from __future__ import annotations

import pytest

from tsva.pipeline.doctor import slurm
from tsva.pipeline.doctor.finding import Finding

PARTITIONS = "cpu*|up|(null)\ngpu|up|gpu:h100:4\nold|inact|(null)"
CONFIG = "AccountingStorageType   = accounting_storage/slurmdbd\nMinJobAge               = 300 sec"


@pytest.fixture
def cluster(fake, monkeypatch: pytest.MonkeyPatch):
    """A cluster where all is well."""
    monkeypatch.setattr(slurm, "installed", lambda names: dict.fromkeys(names, "2.8.0"))
    for name in slurm.COMMANDS:
        fake(name)
    fake("sinfo", PARTITIONS)
    fake("scontrol", CONFIG)
    return fake


def ask(*, wanted: bool = True, cuda: bool = True) -> dict[str, Finding]:
    return {finding.area: finding for finding in slurm.look(wanted=wanted, cuda=cuda)}


@pytest.mark.usefixtures("cluster")
def test_all_is_well() -> None:
    found = ask()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["Slurm"].what == "answers; partitions cpu, gpu, old"
    assert found["Slurm plugin"].what == "snakemake-executor-plugin-slurm 2.8.0"


@pytest.mark.usefixtures("cluster")
def test_gpus_of_the_cluster_want_the_cuda_build() -> None:
    found = ask(cuda=False)["Slurm"]
    assert (found.level, found.do) == ("note", "TSVA_TORCH=cuda bash envs/setup.sh, where jobs are to use them")
    assert "GPUs in gpu, and a CPU build of torch" in found.what


@pytest.mark.usefixtures("fake")
def test_no_slurm() -> None:
    assert ask(wanted=False)["Slurm"].level == "ok"
    assert ask(wanted=True)["Slurm"].level == "bad"


@pytest.mark.parametrize(("wanted", "level"), [(True, "bad"), (False, "note")])
def test_what_is_amiss_breaks_a_run_that_wants_it(cluster, wanted: bool, level: str) -> None:
    cluster("sinfo", error="slurm_load_partitions: Unable to contact slurm controller (connect failure)", status=1)
    found = ask(wanted=wanted)["Slurm"]
    assert found.level == level
    assert "doesn't answer: slurm_load_partitions: Unable to contact slurm controller" in found.what


def test_a_silent_controller(cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm.ask, "__kwdefaults__", {"patience_s": 0.3})
    cluster("squeue", sleeps=60)
    found = ask()["Slurm"]
    assert (found.level, "no answer within 0.3 s" in found.what) == ("bad", True)


def test_half_of_the_commands(fake) -> None:
    fake("sinfo", PARTITIONS)
    assert ask()["Slurm"].what == "no sbatch or squeue"


def test_no_partition_is_up(cluster) -> None:
    cluster("sinfo", "cpu*|down|(null)\ngpu|inact|(null)")
    assert (ask()["Slurm"].level, ask()["Slurm"].what) == ("bad", "no partition is up (cpu, gpu)")


def test_a_cluster_without_accounting(cluster) -> None:
    """Finished jobs are remembered for long enough: squeue does."""
    cluster("sacct", error="Slurm accounting storage is disabled", status=1)
    cluster("scontrol", "AccountingStorageType   = accounting_storage/none\nMinJobAge               = 300 sec")
    found = ask()["Slurm accounting"]
    assert (found.level, found.what) == ("note", "is off; finished jobs are remembered for 300 s")
    assert "--slurm-status-command squeue" in found.do


def test_a_cluster_that_forgets_at_once(cluster) -> None:
    cluster("sacct", error="sacct: error: Problem talking to the database: Connection refused", status=1)
    cluster("scontrol", CONFIG.replace("300", "10"))
    found = ask()["Slurm accounting"]
    assert found.level == "bad"
    assert "doesn't answer (sacct: error: Problem talking" in found.what
    assert ask(wanted=False)["Slurm accounting"].level == "note"


@pytest.mark.usefixtures("cluster")
def test_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "installed", lambda _: {})
    found = ask()["Slurm plugin"]
    assert (found.level, found.do) == ("bad", "pip install snakemake-executor-plugin-slurm")
