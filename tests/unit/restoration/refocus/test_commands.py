"""tsva refocus and tsva refocus-fields, from the tables to the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkpoints import colour_checkpoint
from click.testing import CliRunner
from settings_file import settings_option

from tsva.acquisition.pair import shots_about
from tsva.acquisition.stack import Stack
from tsva.cli.refocus import command as refocus
from tsva.cli.refocus_fields import command as refocus_slide
from tsva.errors import UserError
from tsva.readers.stack_file import read_stack, write_stack
from tsva.restoration.checkpoint import save
from tsva.settings.train import TrainSettings
from tsva.stage_files import read_table, write_table

SETTINGS = TrainSettings(width=2, levels=2, crop_px=None)


def stacks(seed: int) -> np.ndarray:
    """(2, 15, 32, 32, 3) uint8: noise that fades away from the middle plane, so that nearer planes are sharper."""
    noise = np.random.default_rng(seed).normal(0, 30, (2, 1, 32, 32, 3))
    fading = 1 - np.abs(np.arange(15) - 7)[:, None, None, None] / 10
    return np.clip(128 + noise * fading, 0, 255).astype(np.uint8)


def patch_table() -> pd.DataFrame:
    """Two slides with two patches each; the second one has its truth."""
    rows = [
        {
            "index": index,
            "sample": "Sample1",
            "patient": slide,
            "slide": slide,
            "role": "dataset1",
            "field": "f001",
            "pixel_um": 0.345,
            "channels": 3,
            "focus_z_um": 0.0,
            "target_offset_um": 0.1 * index,
            "focal_offset_um": 1.0,
            "array": f"pairs/{slide}/patches.npy",
            "has_clean": int(slide == "D2"),
            "draws": 3 * (slide == "D2"),
            "split": "test",
        }
        for slide in ("D1", "D2")
        for index in range(2)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    """A TSVA that returns Y1."""
    path = tmp_path / "model.ckpt"
    save(colour_checkpoint("tsva", SETTINGS), path)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A data set of `patch_table`."""
    folder = tmp_path / "results"
    random = np.random.default_rng(0)
    for number, slide in enumerate(("D1", "D2")):
        (folder / "pairs" / slide).mkdir(parents=True)
        np.save(folder / "pairs" / slide / "patches.npy", stacks(number))
    np.save(folder / "pairs/D2/clean.npy", stacks(1)[:, 7] // 2)
    np.save(folder / "pairs/D2/continuous.npy", random.integers(0, 256, (2, 3, 2, 32, 32, 3), np.uint8))
    draws = [(index, draw, 0.1 + index + 0.3 * draw) for index in range(2) for draw in range(3)]
    write_table(folder / "pairs/D2/continuous.tsv", pd.DataFrame(draws, columns=["index", "draw", "focal_offset_um"]))
    write_table(folder / "pairs/dataset1.tsv", patch_table())
    return folder


def run_refocus(results: Path, out: Path, method: str, *more: str, **pairs: float) -> None:
    arguments = [
        "--method",
        method,
        *settings_option(pairs={"patch_px": 32, **pairs}),
        "--table",
        str(results / "pairs/dataset1.tsv"),
        "--results",
        str(results),
        "--out",
        str(out),
        *more,
    ]
    CliRunner().invoke(refocus, arguments, catch_exceptions=False)


def test_a_data_set_is_restored_at_all_offsets_and_scored(results: Path, untrained: Path, tmp_path: Path) -> None:
    run_refocus(results, tmp_path / "y1", "y1")
    run_refocus(results, tmp_path / "tsva", "tsva", "--checkpoint", str(untrained))
    restored = np.load(tmp_path / "tsva/restored.npy", mmap_mode="r")
    assert restored.shape == (4, 13, 32, 32, 3) and restored.dtype == np.uint8
    # An untrained TSVA is Y1, so both methods say the same; at ±0.5 µm that is the target itself.
    np.testing.assert_array_equal(restored, np.load(tmp_path / "y1/restored.npy"))
    for patch, (slide, index) in enumerate((("D1", 0), ("D1", 1), ("D2", 0), ("D2", 1))):
        planes = np.load(results / "pairs" / slide / "patches.npy")[index]
        np.testing.assert_array_equal(restored[patch, 5], planes[7])
        np.testing.assert_array_equal(restored[patch, 12], planes[12])
    scores, y1 = (read_table(tmp_path / name / "scores.tsv") for name in ("tsva", "y1"))
    assert list(scores) == [
        "patch",
        "slide",
        "sample",
        "focal_offset_um",
        "protocol",
        "draw",
        "target",
        "psnr_db",
        "ssim",
        "identical",
        "seconds",
        "estimated_focal_offset_um",
        "estimated_focal_offset_sd_um",
        "predicted_rmse",
        "psnr_shifted_db",
        "failure",
    ]
    assert (scores["predicted_rmse"] > 0).all() and y1["predicted_rmse"].isna().all()
    said = ["seconds", "predicted_rmse"]
    pd.testing.assert_frame_equal(scores.drop(columns=said), y1.drop(columns=said))
    counts = scores.groupby(["slide", "protocol", "target"]).size().to_dict()
    assert counts == {
        ("D1", "grid", "captured"): 26,
        ("D2", "grid", "captured"): 26,
        ("D2", "grid", "clean"): 26,
        ("D2", "continuous", "captured"): 6,
        ("D2", "continuous", "clean"): 6,
    }
    identical = scores[scores["identical"] == 1]
    assert identical["psnr_db"].isna().all() and set(identical["focal_offset_um"]) == {-0.5, 0.5}
    assert set(identical["target"]) == {"captured"} and len(identical) == 8
    continuous = scores[(scores["protocol"] == "continuous") & (scores["target"] == "clean") & (scores["patch"] == 3)]
    np.testing.assert_allclose(continuous.sort_values("draw")["focal_offset_um"], [1.1, 1.4, 1.7])


@pytest.mark.parametrize(
    ("table", "pairs", "method", "message"),
    [
        ({"channels": 1}, {}, "tsva", "grey.*colour"),
        ({"pixel_um": 0.5}, {}, "tsva", r"pixels of 0\.5 µm.*0\.345"),
        ({}, {"delta_um": 1.0}, "tsva", r"∓1 µm.*∓0\.5"),
        ({}, {}, "unet", "the network tsva"),
    ],
)
def test_a_checkpoint_for_other_images_is_refused(
    results: Path, untrained: Path, tmp_path: Path, table: dict, pairs: dict, method: str, message: str
) -> None:
    path = results / "pairs/dataset1.tsv"
    write_table(path, read_table(path).assign(**table))
    with pytest.raises(UserError, match=message):
        run_refocus(results, tmp_path / "out", method, "--checkpoint", str(untrained), **pairs)
    assert not (tmp_path / "out").exists()


def test_a_network_without_checkpoint_and_a_data_set_without_patches_are_reported(
    results: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--checkpoint"):
        run_refocus(results, tmp_path / "out", "tsva")
    path = results / "pairs/dataset1.tsv"
    write_table(path, read_table(path).iloc[:0])
    with pytest.raises(UserError, match="no patches"):
        run_refocus(results, tmp_path / "out", "y1")


def field(z_um: list[float], channels: int = 3, pixel_um: float = 0.345) -> Stack:
    planes = np.random.default_rng(1).integers(0, 256, (len(z_um), 40, 50, channels), np.uint8)
    return Stack(planes, np.array(z_um), pixel_um)


def ingested(folder: Path, stacks_by_field: dict[str, Stack]) -> Path:
    (folder / "stacks").mkdir(parents=True)
    rows = [{"slide": "R1", "field": "f000", "file": "", "reason": "blank"}]
    for name, stack in stacks_by_field.items():
        write_stack(folder / f"stacks/{name}.ome.tif", stack)
        rows.append({"slide": "R1", "field": name, "file": f"stacks/{name}.ome.tif", "reason": ""})
    write_table(folder / "fields.tsv", pd.DataFrame(rows))
    return folder


def run_slide(ingest: Path, checkpoint: Path, out: Path, **settings: float) -> None:
    arguments = ["--checkpoint", checkpoint, "--ingest", ingest, *settings_option(refocus=settings), "--out", out]
    CliRunner().invoke(refocus_slide, list(map(str, arguments)), catch_exceptions=False)


def test_a_slide_of_two_shots_and_a_stack_are_restored(untrained: Path, tmp_path: Path) -> None:
    two, deep = field([4.0, 5.0]), field([-1.0, -0.55, 0.0, 0.48, 1.0])
    run_slide(ingested(tmp_path / "ingest/R1", {"f001": two, "f002": deep}), untrained, tmp_path / "out", tile_px=32)
    table = read_table(tmp_path / "out/fields.tsv")
    assert table["field"].tolist() == ["f000", "f001", "f002"]
    assert table["file"].tolist() == ["", "images/f001.ome.tif", "images/f002.ome.tif"]
    assert table["reason"].tolist() == ["blank", "", ""]
    assert table[["low_z_um", "high_z_um"]].iloc[1:].to_numpy().tolist() == [[4.0, 5.0], [-0.55, 0.48]]
    for name, stack, planes, middle in (("f001", two, (0, 1), 4.5), ("f002", deep, (1, 3), -0.035)):
        restored = read_stack(tmp_path / f"out/images/{name}.ome.tif")
        assert restored.pixel_um == pytest.approx(0.345) and restored.z_um.tolist() == pytest.approx([middle])
        # The untrained network returns the sharper of the two.
        assert any(np.array_equal(restored.planes[0], stack.planes[plane]) for plane in planes)


@pytest.mark.parametrize(
    ("stack", "settings", "message"),
    [
        (field([0.0]), {}, "one plane"),
        (field([0.0, 3.0]), {}, "two planes 3 µm apart.*1 µm"),
        (field([-0.5, 0.0, 1.0]), {}, r"nearest plane to 0\.5 µm at 0 µm"),
        (field([-0.5, 0.0, 0.5]), {"initial_focal_position_um": 7.0}, r"nearest plane to 6\.5 µm at 0\.5 µm"),
        (field([-0.5, 0.0, 0.5], channels=1), {}, "grey.*colour"),
        (field([-0.5, 0.0, 0.5], pixel_um=0.25), {}, r"pixels of 0\.25 µm"),
    ],
)
def test_fields_that_do_not_fit_are_told_with_slide_and_field(
    untrained: Path, tmp_path: Path, stack: Stack, settings: dict, message: str
) -> None:
    ingest = ingested(tmp_path / "ingest/R1", {"f001": stack})
    with pytest.raises(UserError, match=f"slide R1, field f001.*{message}"):
        run_slide(ingest, untrained, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_planes_may_lie_as_far_away_as_the_settings_allow(untrained: Path, tmp_path: Path) -> None:
    ingest = ingested(tmp_path / "ingest/R1", {"f001": field([-0.5, 0.0, 0.65])})
    with pytest.raises(UserError, match=r"nearest plane to 0\.5 µm at 0\.65 µm"):
        run_slide(ingest, untrained, tmp_path / "out")
    run_slide(ingest, untrained, tmp_path / "out", position_tolerance_um=0.2)
    assert read_table(tmp_path / "out/fields.tsv")[["low_z_um", "high_z_um"]].to_numpy()[-1].tolist() == [-0.5, 0.65]


def test_a_missing_and_a_damaged_checkpoint_are_reported(untrained: Path, tmp_path: Path) -> None:
    ingest = ingested(tmp_path / "ingest/R1", {"f001": field([0.0, 1.0])})
    with pytest.raises(UserError, match="no such file"):
        run_slide(ingest, tmp_path / "nowhere.ckpt", tmp_path / "out")
    untrained.write_bytes(untrained.read_bytes()[:500])
    with pytest.raises(UserError, match="torch can't read"):
        run_slide(ingest, untrained, tmp_path / "out")


def test_f_moves_the_shots() -> None:
    stack = field([0.5 * step for step in range(-20, 21)])
    planes = shots_about(stack.z_um, -3.0, 0.5, tolerance_um=0.1, where="")
    assert [float(stack.z_um[plane]) for plane in planes] == [-3.5, -2.5]
