"""tsva train, from the tables to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from settings_file import settings_option
from small_problem import patch_table, stacks

import tsva.training.fit
from tsva.cli.train import command
from tsva.errors import UserError
from tsva.restoration.checkpoint import load
from tsva.stage_files import write_table
from tsva.training.loop import DivergedError

SETTINGS = {"recipe": "test", "width": 2, "levels": 2, "crop_px": 16, "batch": 2, "steps": 4, "verifications": 2}
SLIDES = {"T1": "training", "T2": "training", "T3": "verification"}


def prepared(results: Path, table: pd.DataFrame | None = None, channels: int = 3) -> Path:
    for number, slide in enumerate(SLIDES):
        (results / "pairs" / slide).mkdir(parents=True)
        np.save(results / "pairs" / slide / "patches.npy", stacks(3, number, channels))
    write_table(results / "pairs" / "train.tsv", patch_table(SLIDES, 3) if table is None else table)
    return results


def train(results: Path, out: Path, network: str = "tsva", seed: int = 1, **settings: object) -> None:
    arguments = [
        "--network",
        network,
        *settings_option(train=SETTINGS | settings, pairs={"patch_px": 32}),
        "--seed",
        str(seed),
        "--table",
        str(results / "pairs/train.tsv"),
        "--results",
        str(results),
        "--out",
        str(out),
    ]
    CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_training_leaves_checkpoint_log_and_summary_and_nothing_else(tmp_path: Path) -> None:
    results = prepared(tmp_path / "results")
    out = results / "train" / "tsva"
    train(results, out)
    assert sorted(path.name for path in out.iterdir()) == ["log.csv", "model.ckpt", "summary.json"]
    assert [path.name for path in out.parent.iterdir()] == ["tsva"]
    held, summary, log = load(out / "model.ckpt"), json.loads((out / "summary.json").read_text()), out / "log.csv"
    assert (held.network, held.channels, held.pixel_um, held.delta_um) == ("tsva", 3, 0.345, 0.5)
    assert held.settings["steps"] == 4 and held.data == summary["data"] and held.step == summary["best_step"]
    assert summary["training_patches"] == 6 and summary["verification_patches"] == 3
    rows = pd.read_csv(log)
    assert rows["step"].tolist() == [2, 4]
    best = rows.set_index("step").loc[summary["best_step"]]
    assert best["verification_psnr_db"] == summary["verification_psnr_db"] == rows["verification_psnr_db"].max()


def test_the_fingerprint_follows_the_data(tmp_path: Path) -> None:
    results = prepared(tmp_path / "results")
    outs = [tmp_path / name for name in ("one", "same", "other")]
    train(results, outs[0])
    train(results, outs[1])
    array = np.load(results / "pairs/T1/patches.npy")
    array[0, 0, 0, 0, 0] ^= 1
    np.save(results / "pairs/T1/patches.npy", array)
    train(results, outs[2])
    one, same, other = (load(out / "model.ckpt").data for out in outs)
    assert one == same != other


def test_divergence_keeps_the_last_good_checkpoint_and_no_folder(tmp_path: Path, monkeypatch) -> None:
    results, fit = prepared(tmp_path / "results"), tsva.training.fit.fit

    def diverging(*arguments: object, **keys: object) -> tsva.training.fit.Fitted:
        fitted = fit(*arguments, **keys)  # type: ignore[arg-type]
        return tsva.training.fit.Fitted(**{**vars(fitted), "diverged_at": 3})

    monkeypatch.setattr(tsva.training.fit, "fit", diverging)
    with pytest.raises(UserError, match=r"no finite number at step 3.*learning_rate"):
        train(results, results / "train/tsva")
    assert [path.name for path in (results / "train").iterdir()] == ["tsva.last_good.ckpt"]
    assert load(results / "train/tsva.last_good.ckpt").network == "tsva"


def test_divergence_before_any_verification_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(*_: object, **__: object) -> None:
        raise DivergedError(2)

    results = prepared(tmp_path / "results")
    monkeypatch.setattr(tsva.training.fit, "fit", diverging)
    with pytest.raises(UserError, match=r"no finite number at step 2.*No step had been verified"):
        train(results, results / "train/tsva")
    assert not (results / "train").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[table["split"] == "training"], "no verification patches"),
        (lambda table: table.assign(pixel_um=[0.345] * 5 + [0.5] * 4), r"0\.345 to 0\.5 µm"),
        (lambda table: table.assign(array="pairs/T9/patches.npy"), "T9"),
    ],
)
def test_bad_tables_are_reported(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    results = prepared(tmp_path / "results", change(patch_table(SLIDES, 3)))
    with pytest.raises(UserError, match=message):
        train(results, results / "train/tsva")
    assert not (results / "train/tsva").exists()


def test_bad_settings_are_reported(tmp_path: Path) -> None:
    results = prepared(tmp_path / "results")
    for network, settings, message in (
        ("resnet", {}, "resnet"),
        ("tsva", {"crop_px": 64}, "patch_px"),
        ("tsva", {"steps": None}, "epochs is None and steps is None"),
        ("tsva", {"learning_rat": 1}, "learning_rat"),
        ("tsva", {"batch": 0}, "batch"),
        ("tsva", {"networks": []}, "at least one"),
    ):
        with pytest.raises(UserError, match=message):
            train(results, results / "train/tsva", network, **settings)
