"""tsva refocus with methods without training, and tsva gather, on a tiny data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from settings_file import settings_option

from tsva.acquisition.pair import Pair, high_is_y1
from tsva.cli.gather import command as gather
from tsva.cli.refocus import command as refocus
from tsva.evaluation.scoring import psnr_db
from tsva.settings.acquisition import OpticsSettings
from tsva.stage_files import read_table, write_table

OFFSETS = 13


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two slides with three patches of 48 pixels; the second one has continuous shots."""
    random = np.random.default_rng(0)
    rows = []
    for slide in ("D1", "D2"):
        folder = tmp_path / "pairs" / slide
        folder.mkdir(parents=True)
        np.save(folder / "patches.npy", random.integers(60, 200, (3, 15, 48, 48, 3), np.uint8))
        draws = 2 * (slide == "D2")
        if draws:
            for name in ("continuous", "continuous_clean"):
                np.save(folder / f"{name}.npy", random.integers(60, 200, (3, 2, 2, 48, 48, 3), np.uint8))
            found = [(index, draw, 0.3 + draw) for index in range(3) for draw in range(2)]
            write_table(folder / "continuous.tsv", pd.DataFrame(found, columns=["index", "draw", "focal_offset_um"]))
        rows += [
            {
                "index": index,
                "sample": "Sample1",
                "slide": slide,
                "array": f"pairs/{slide}/patches.npy",
                "target_offset_um": 0.0,
                "has_clean": 0,
                "draws": draws,
            }
            for index in range(3)
        ]
    write_table(tmp_path / "pairs/dataset1.tsv", pd.DataFrame(rows))
    frequency = np.linspace(0.01, 2.05, 50)
    power = {f"power_{colour}": 1e-4 * frequency**-2 for colour in ("red", "green", "blue")}
    write_table(tmp_path / "signal.tsv", pd.DataFrame({"frequency_per_um": frequency, **power}))
    return tmp_path


def run(
    results: Path, method: str, batches: int = 1, *, share_draws: bool = False, **methods: object
) -> tuple[np.ndarray, pd.DataFrame]:
    """All batches, gathered where there are several."""
    folders = [str(results / f"{method}-{batch}-of-{batches}") for batch in range(batches)]
    for batch, folder in enumerate(folders):
        arguments = [
            "--method",
            method,
            *settings_option(methods=methods, pairs={"patch_px": 48, "share_draws": share_draws}),
            "--signal",
            results / "signal.tsv",
            "--seed",
            1,
            "--batch",
            batch,
            "--batches",
            batches,
            "--table",
            results / "pairs/dataset1.tsv",
            "--results",
            results,
            "--out",
            folder,
        ]
        CliRunner().invoke(refocus, [str(word) for word in arguments], catch_exceptions=False)
    out = Path(folders[0])
    if batches > 1:
        out = results / "out"
        CliRunner().invoke(gather, [*folders, "--out", str(out)], catch_exceptions=False)
    assert sorted(file.name for file in out.iterdir()) == ["restored.npy", "scores.tsv"]
    scores = read_table(out / "scores.tsv")
    return np.load(out / "restored.npy"), scores.drop(columns="seconds")


def test_batches_together_are_one(results: Path) -> None:
    whole, scores = run(results, "mean")
    for batches in (2, 5):
        restored, found = run(results, "mean", batches)
        np.testing.assert_array_equal(restored, whole)
        pd.testing.assert_frame_equal(found, scores)
    assert whole.shape == (6, OFFSETS, 48, 48, 3)
    assert (scores["protocol"] == "grid").sum() == 6 * OFFSETS and (scores["protocol"] == "continuous").sum() == 3 * 2


def test_slow_methods_restore_a_sample_and_leave_the_rest_empty(results: Path) -> None:
    restored, scores = run(results, "mean", 2, slow=["mean"], sample_per_offset=2)
    whole, _ = run(results, "mean", slow=[])
    assert scores.groupby("focal_offset_um").size().tolist() == [2] * OFFSETS and set(scores["protocol"]) == {"grid"}
    assert all(scores.groupby("focal_offset_um")["slide"].nunique() == 2)
    done = restored.any(axis=(2, 3, 4))
    assert done.sum() == 2 * OFFSETS
    np.testing.assert_array_equal(restored[done], whole[done])


def test_what_a_method_says_is_in_the_table(results: Path) -> None:
    _, scores = run(results, "wiener_blind")
    assert scores["estimated_focal_offset_um"].notna().all() and (scores["estimated_focal_offset_sd_um"] > 0).all()
    assert scores["psnr_shifted_db"].isna().all() and scores["predicted_rmse"].isna().all()


def test_blind_methods_are_scored_shifted_and_fail_with_a_reason(results: Path) -> None:
    patches = read_table(results / "pairs/dataset1.tsv")
    write_table(results / "pairs/dataset1.tsv", patches[patches["slide"] == "D1"])
    _, scores = run(results, "graph", slow=["graph"], sample_per_offset=1)
    # three kernels of 15 pixels fit 48; noise has no kernel, or some kernel
    assert scores["psnr_shifted_db"].notna().any()
    assert set(scores["failure"]) <= {"", "the kernel collapsed to one pixel"}


def test_shots_without_noise_are_scored_where_they_are_known(results: Path) -> None:
    """The sharper shot by what was captured, in its version without noise; the grid has none."""
    restored, scores = run(results, "noise_free")
    assert not restored.any() and set(scores["protocol"]) == {"continuous"} and set(scores["slide"]) == {"D2"}
    shots, clean = (np.load(results / f"pairs/D2/{name}.npy")[1, 0] for name in ("continuous", "continuous_clean"))
    optics = OpticsSettings()
    high = high_is_y1(Pair(shots[0], shots[1], 0.5, optics))
    target = np.load(results / "pairs/D2/patches.npy")[1, 7]
    row = scores[(scores["patch"] == 4) & (scores["draw"] == 0)].iloc[0]
    assert row["psnr_db"] == pytest.approx(psnr_db(clean[int(high)][None], target[None])[0], abs=1e-6)


def test_pairs_at_continuous_offsets_are_shared_among_the_patches_of_a_field(results: Path) -> None:
    """In turn by offset; a third patch has none of two."""
    table, drawn = results / "pairs/dataset1.tsv", results / "pairs/D2/continuous.tsv"
    write_table(table, read_table(table).assign(field="f001"))
    write_table(drawn, read_table(drawn).assign(focal_offset_um=lambda rows: 1.3 - rows["draw"]))
    _, scores = run(results, "noise_free", share_draws=True)
    found = scores[["patch", "draw", "focal_offset_um"]].round(6)
    assert found.to_numpy().tolist() == [[3, 1, 0.3], [4, 0, 1.3]]
    shots, clean = (np.load(results / f"pairs/D2/{name}.npy")[0, 1] for name in ("continuous", "continuous_clean"))
    high = high_is_y1(Pair(shots[0], shots[1], 0.5, OpticsSettings()))
    target = np.load(results / "pairs/D2/patches.npy")[0, 7]
    assert scores["psnr_db"].iloc[0] == pytest.approx(psnr_db(clean[int(high)][None], target[None])[0], abs=1e-6)
