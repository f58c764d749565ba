"""Several processes train one network: every visit once, one set of files; readers ahead change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import torch
from settings_file import settings_option
from small_problem import patch_table, stacks
from torch.utils.data import DataLoader

import tsva.training.devices
import tsva.training.fit
from tsva.errors import UserError
from tsva.restoration.checkpoint import load
from tsva.settings.train import TrainSettings
from tsva.training.dataset import Batches, TrainingPairs
from tsva.training.devices import Machine
from tsva.training.patches import PatchStacks

SCRIPT = """
import os
from tsva.training.dataset import TrainingPairs

plain = TrainingPairs.__getitem__

def noted(self, visit):
    with open(f"visits.{os.environ.get('LOCAL_RANK', '0')}.txt", "a") as file:
        print(visit, file=file)
    return plain(self, visit)

TrainingPairs.__getitem__ = noted
from tsva.cli.main import main
main()
"""


@pytest.mark.parametrize("world", [1, 2, 4])
def test_batches_are_shared_without_gap_or_overlap(world: int) -> None:
    whole = list(Batches(3, 7, 8))
    shares = [list(Batches(3, 7, 8, rank, world)) for rank in range(world)]
    assert [[*chain(*parts)] for parts in zip(*shares, strict=True)] == whole
    assert [*chain(*whole)] == list(range(24, 56))
    assert {len(share) for parts in shares for share in parts} == {8 // world}


def test_batches_that_cannot_be_shared_evenly_are_refused(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings
) -> None:
    with pytest.raises(ValueError, match="shared evenly by 3"):
        Batches(0, 1, 8, 0, 3)
    with pytest.raises(ValueError, match="4, no multiple of 3 devices"):
        tsva.training.fit.fit("tsva", training, verification, small, 1, machine=Machine(devices=3))


def test_readers_ahead_change_nothing(training: PatchStacks, small: TrainSettings) -> None:
    visits = TrainingPairs(training, small, seed=1)
    state = torch.get_rng_state()
    alone, helped = (
        list(DataLoader(visits, batch_sampler=Batches(0, 6, 4), num_workers=workers, generator=torch.Generator()))
        for workers in (0, 2)
    )
    assert all(
        torch.equal(a, b) for one, other in zip(alone, helped, strict=True) for a, b in zip(one, other, strict=True)
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_devices_that_are_no_number_or_share_no_batch_are_reported() -> None:
    from tsva.cli.train import _machine

    settings = TrainSettings(batch=16)
    assert _machine(settings, "auto", 1, None).devices >= 1
    assert _machine(settings, "4", 2, 3) == Machine(4, 2, 3)
    for devices in ("0", "-1", "all"):
        with pytest.raises(UserError, match="auto or a number"):
            _machine(settings, devices, 1, None)
    with pytest.raises(UserError, match=r"a multiple of 6 \(3 devices × 2 nodes\)"):
        _machine(settings, "3", 2, None)


def test_auto_takes_as_many_devices_as_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from tsva.cli.train import _machine

    monkeypatch.setattr(tsva.training.devices, "visible_devices", lambda: 6)
    assert _machine(TrainSettings(batch=16), "auto", 1, None).devices == 4
    assert _machine(TrainSettings(batch=20), "auto", 2, None).devices == 5
    assert _machine(TrainSettings(batch=7), "auto", 1, None).devices == 1


SLURM = {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NODELIST": "gpu[03-05,9],login", "SLURM_JOB_ID": "4711"}
MEETING = {"RANK": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "other", "MASTER_PORT": "4000"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({**SLURM, "SLURM_NTASKS": "1"}, None),
        (
            {**SLURM, "SLURM_NTASKS": "8"},
            {**MEETING, "RANK": "5", "LOCAL_RANK": "1", "MASTER_ADDR": "gpu03", "MASTER_PORT": "30111"},
        ),
        (MEETING, MEETING),
        ({**SLURM, **MEETING, "SLURM_NTASKS": "8"}, MEETING),
    ],
)
def test_processes_that_were_started_before_are_not_started_again(
    environment: dict[str, str], expected: dict[str, str] | None
) -> None:
    assert tsva.training.devices._place(environment) == expected


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu[03-05,9],login", "gpu03"), ("node7", "node7"), ("a1,b2", "a1"), ("rack2-n[9,11]", "rack2-n9")],
)
def test_the_first_host_of_slurms_list(nodes: str, first: str) -> None:
    assert tsva.training.devices.first_host(nodes) == first


def test_one_process_averages_and_agrees_with_itself() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.full((3,), 2.0)
    alone = tsva.training.devices.Process(0, 1, torch.device("cpu"))
    alone.average([weight])
    assert torch.equal(weight.grad, torch.full((3,), 2.0)) and alone.all_agree(True) and not alone.all_agree(False)


@pytest.mark.parametrize("network", ["tsva", "fusion"])
def test_two_processes_train_one_network(network: str, tmp_path: Path) -> None:
    import numpy as np

    from tsva.stage_files import write_table

    slides = {"T1": "training", "T2": "verification"}
    for number, slide in enumerate(slides):
        (tmp_path / "pairs" / slide).mkdir(parents=True)
        np.save(tmp_path / "pairs" / slide / "patches.npy", stacks(4, number))
    write_table(tmp_path / "pairs/train.tsv", patch_table(slides, 4))
    (tmp_path / "train.py").write_text(SCRIPT)
    settings = {"width": 2, "levels": 2, "crop_px": 16, "batch": 4, "steps": 5, "verifications": 2, "state_every_s": 0}
    settings["fusion"] = {"width": 4, "depth": 1, "crop_px": None, "batch": 4, "offset_steps": 5, "microscopes": 2}
    call = [
        sys.executable,
        "train.py",
        "--log",
        "train.log",
        "train",
        "--network",
        network,
        *settings_option(train=settings, pairs={"patch_px": 32}),
        "--seed",
        "1",
        "--table",
        "pairs/train.tsv",
        "--results",
        ".",
        "--devices",
        "2",
        "--out",
        f"train/{network}",
    ]
    done = subprocess.run(call, cwd=tmp_path, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, timeout=300, check=False)
    assert done.returncode == 0, (tmp_path / "train.log").read_text()
    visits = [[int(line) for line in (tmp_path / f"visits.{rank}.txt").read_text().split()] for rank in (0, 1)]
    assert sorted(visits[0] + visits[1]) == list(range(20))
    assert [len(share) for share in visits] == [10, 10]
    assert [path.name for path in (tmp_path / "train").iterdir()] == [network]
    summary = json.loads((tmp_path / f"train/{network}/summary.json").read_text())
    assert (summary["devices"], summary["steps"]) == (2, 5)
    assert pd.read_csv(tmp_path / f"train/{network}/log.csv")["step"].tolist() == [3, 5]
    assert load(tmp_path / f"train/{network}/model.ckpt").step == summary["best_step"]
    log = (tmp_path / "train.log").read_text()
    assert log.count("verification PSNR") == 2 and "2 devices × 1 nodes, 2 pairs a step each" in log
