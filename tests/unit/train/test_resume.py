"""A training that was killed goes on as if nothing had happened, and only where it is the same training."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from settings_file import settings_option
from small_problem import patch_table, stacks

from tsva.cli.train import command
from tsva.restoration.checkpoint import load
from tsva.restoration.pair_network import build
from tsva.settings.train import FusionSettings, TrainSettings
from tsva.stage_files import write_table
from tsva.training.dataset import TrainingPairs
from tsva.training.fit import Fitted, fit
from tsva.training.loop import Learner, Resume
from tsva.training.patches import PatchStacks

MAIN = "from tsva.cli.main import main; main()"


class _PulledPlugError(Exception):
    pass


@pytest.fixture
def short(small: TrainSettings) -> TrainSettings:
    """Three verifications, the last interval shorter; every kind of jitter, schedule and average at work."""
    return small.model_copy(update={"steps": 11, "verifications": 3, "width": 2, "crop_px": 16})


@pytest.fixture
def resume(tmp_path: Path) -> Resume:
    return Resume(tmp_path / "tsva.state.ckpt", "this training", every_s=0)


def broken_off(at_step: int, monkeypatch: pytest.MonkeyPatch, *arguments: object, **keys: object) -> None:
    """A training whose plug is pulled when it asks for the visits of a step."""
    plain = TrainingPairs.__getitem__

    def read(self: TrainingPairs, visit: int):  # type: ignore[no-untyped-def]
        if visit >= 4 * at_step:
            raise _PulledPlugError
        return plain(self, visit)

    with monkeypatch.context() as patched, pytest.raises(_PulledPlugError):
        patched.setattr(TrainingPairs, "__getitem__", read)
        fit(*arguments, **keys)  # type: ignore[arg-type]


def assert_same(one: Fitted, other: Fitted) -> None:
    assert one.best_step == other.best_step
    timeless = [[{**row, "seconds": 0} for row in fitted.log_rows] for fitted in (one, other)]
    assert timeless[0] == timeless[1]
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


# 4 is the step of the first verification: the state is that before it (3), or after it (5).
@pytest.mark.parametrize("at_step", [2, 4, 5, 10])
def test_a_resumed_training_ends_with_the_same_weights_to_the_bit(
    at_step: int, training: PatchStacks, verification: PatchStacks, short: TrainSettings, resume: Resume, monkeypatch
) -> None:
    whole = fit("tsva", training, verification, short, seed=1)
    broken_off(at_step, monkeypatch, "tsva", training, verification, short, 1, resume=resume)
    state = resume.read()
    assert state is not None and 0 < state["step"] <= at_step
    assert_same(whole, fit("tsva", training, verification, short, seed=1, resume=resume))


def test_a_training_can_be_killed_again_and_again(
    training: PatchStacks, verification: PatchStacks, short: TrainSettings, resume: Resume, monkeypatch
) -> None:
    constant = short.model_copy(update={"schedule": "constant", "ema_decay": 0.0})
    whole = fit("unet", training, verification, constant, seed=1)
    for at_step in (3, 6, 9):
        broken_off(at_step, monkeypatch, "unet", training, verification, constant, 1, resume=resume)
    assert_same(whole, fit("unet", training, verification, constant, seed=1, resume=resume))


def test_a_fusion_goes_on_from_its_state(training: PatchStacks, short: TrainSettings) -> None:
    own = FusionSettings(width=4, depth=1, crop_px=None, batch=4, offset_steps=1, microscopes=1)
    settings = short.model_copy(update={"optimiser": "muon", "fusion": own})
    taught, fresh = (build("fusion", settings, 3) for _ in range(2))
    taught.prepare(training, settings, 1)
    state = Learner.fresh(taught, settings, 4).state()
    # it is built anew and not taught again; the optimiser has the same parameters all the same
    Learner.fresh(fresh, settings, 4).resume(state)
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in taught.state_dict().items())


def test_between_two_states_some_seconds_pass(
    training: PatchStacks, verification: PatchStacks, short: TrainSettings, resume: Resume, monkeypatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(Resume, "write", lambda _self, state: written.append(state["step"]))
    fit("tsva", training, verification, short, seed=1, resume=resume)
    assert written == list(range(1, 11))
    written.clear()
    seldom = Resume(resume.path, resume.fits, every_s=3600)
    fit("tsva", training, verification, short, seed=1, resume=seldom)
    assert written == []


def test_what_is_of_another_training_or_damaged_is_reported_and_not_taken_up(
    resume: Resume, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert resume.read() is None and not caplog.records
    resume.write({"step": 3})
    assert resume.read() == {"format": 2, "fits": "this training", "step": 3}
    assert Resume(resume.path, "another", 0).read() is None and "other settings" in caplog.text
    whole = resume.path.read_bytes()
    resume.path.write_bytes(whole.replace(b"this training", b"that training"))
    assert Resume(resume.path, "that training", 0).read() is None and "can't be read" in caplog.text
    resume.path.write_bytes(whole)
    caplog.clear()
    resume.path.write_bytes(resume.path.read_bytes()[:100])
    assert resume.read() is None and "can't be read" in caplog.text


def test_a_kill_while_writing_leaves_the_state_before(resume: Resume, monkeypatch: pytest.MonkeyPatch) -> None:
    resume.write({"step": 3})

    def half(_state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise _PulledPlugError

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(_PulledPlugError):
        resume.write({"step": 4})
    state = resume.read()
    assert state is not None and state["step"] == 3


def prepared(results: Path) -> Path:
    slides = {"T1": "training", "T2": "verification"}
    for number, slide in enumerate(slides):
        (results / "pairs" / slide).mkdir(parents=True)
        np.save(results / "pairs" / slide / "patches.npy", stacks(4, number))
    write_table(results / "pairs" / "train.tsv", patch_table(slides, 4))
    return results


def arguments(results: Path, out: Path, **settings: object) -> list[str]:
    short = {
        "recipe": "test",
        "width": 2,
        "levels": 2,
        "crop_px": 32,
        "batch": 4,
        "steps": 100,
        "verifications": 7,
        "state_every_s": 0,
    }
    return [
        "--network",
        "tsva",
        *settings_option(train=short | settings, pairs={"patch_px": 32}),
        "--seed",
        "1",
        "--table",
        str(results / "pairs/train.tsv"),
        "--results",
        str(results),
        "--out",
        str(out),
    ]


def killed(call: list[str], state: Path) -> None:
    """Run `tsva train` in a process of its own and kill it some time after its first state appeared."""
    with subprocess.Popen([sys.executable, "-c", MAIN, "train", *call], stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 120
            while not state.exists():
                assert process.poll() is None and time.monotonic() < deadline, "no state appeared"
                time.sleep(0.01)
            time.sleep(0.2)
            assert process.poll() is None, "it ended before it was killed"
        finally:
            process.kill()


def test_tsva_train_killed_in_the_middle_and_called_again(tmp_path: Path) -> None:
    results, threads = prepared(tmp_path), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        unbroken, out = results / "train/unbroken", results / "train/tsva"
        CliRunner().invoke(command, arguments(results, unbroken), catch_exceptions=False)
        state = results / "train/tsva.state.ckpt"
        killed(arguments(results, out), state)
        assert not out.exists()
        at = torch.load(state, weights_only=True)["step"]
        assert 0 < at < 100
        CliRunner().invoke(command, arguments(results, out, state_every_s=3600), catch_exceptions=False)
    finally:
        torch.set_num_threads(threads)
    assert sorted(path.name for path in out.parent.iterdir() if "part" not in path.name) == ["tsva", "unbroken"]
    one, other = (load(folder / "model.ckpt") for folder in (unbroken, out))
    assert one.step == other.step and one.data == other.data
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
    logs = [pd.read_csv(folder / "log.csv").drop(columns="seconds") for folder in (unbroken, out)]
    pd.testing.assert_frame_equal(*logs)


def test_a_state_of_other_settings_seed_or_data_is_another_trainings() -> None:
    from tsva.cli.train import _resume
    from tsva.settings.acquisition import OpticsSettings, PairsSettings

    common = (PairsSettings(), OpticsSettings())
    plain = TrainSettings()
    fits = {
        _resume(Path("out"), network, settings, *common, seed, data).fits
        for network, settings, seed, data in (
            ("tsva", plain, 1, "a"),
            ("unet", plain, 1, "a"),
            ("tsva", plain, 2, "a"),
            ("tsva", plain, 1, "b"),
            ("tsva", TrainSettings(learning_rate=1e-3), 1, "a"),
        )
    }
    assert len(fits) == 5
    # How often it is kept, and which other networks are trained, are nothing to the weights.
    same = TrainSettings(state_every_s=7, networks=("tsva",))
    assert _resume(Path("out"), "tsva", same, *common, 1, "a").fits in fits
