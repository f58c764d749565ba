"""tsva pairs and tsva split on files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from settings_file import settings_option

from tsva.acquisition.stack import Stack
from tsva.cli.pairs import command as pairs_command
from tsva.cli.split import command as split_command
from tsva.errors import UserError
from tsva.readers.stack_file import write_stack
from tsva.stage_files import read_array, read_table, write_table

SETTINGS = {"patch_px": 32, "offset_max_um": 1.0}
PLANES, HEIGHT, WIDTH, FOCUS = 11, 40, 70, 5
Z_UM = 0.5 * np.arange(PLANES) - 1.0


def run(command, *arguments: object) -> None:
    CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def make_slide(results: Path, slide: str, *, channels=3, verdict="ok", simulated=False, seed=0) -> None:
    """Files of ingest and focus (and simulate) for a slide of two fields with two patches each."""
    generator = np.random.default_rng(seed)
    fields, focused, patches, truth = [], [], [], []
    for field in ("f1", "007"):
        (results / "ingest" / slide / "stacks").mkdir(parents=True, exist_ok=True)
        planes = generator.integers(0, 256, (PLANES, HEIGHT, WIDTH, channels), dtype=np.uint8)
        file = f"stacks/{field}.ome.tif"
        write_stack(results / "ingest" / slide / file, Stack(planes, Z_UM, 0.345))
        fields.append(
            {
                "slide": slide,
                "field": field,
                "file": file,
                "planes": PLANES,
                "height_px": HEIGHT,
                "width_px": WIDTH,
                "channels": channels,
                "pixel_um": 0.345,
                "z_step_um": 0.5,
                "reason": "",
            }
        )
        focused.append(
            {
                "slide": slide,
                "field": field,
                "verdict": verdict,
                "reason": "" if verdict == "ok" else "nothing stained",
                "focus_plane": FOCUS,
                "focus_z_um": Z_UM[FOCUS],
            }
        )
        patches += [
            {
                "field": field,
                "row": 0,
                "column": column,
                "y_px": 4,
                "x_px": 3 + 32 * column,
                "verdict": "ok",
                "reason": "",
                "focus_plane": FOCUS,
                "focus_z_um": Z_UM[FOCUS],
            }
            for column in range(2)
        ]
        if simulated:
            truth.append(make_truth(results / "simulate" / slide, field, generator))
    (results / "focus" / slide).mkdir(parents=True)
    write_table(results / "ingest" / slide / "fields.tsv", pd.DataFrame(fields))
    write_table(results / "focus" / slide / "fields.tsv", pd.DataFrame(focused))
    write_table(results / "focus" / slide / "patches.tsv", pd.DataFrame(patches))
    if simulated:
        write_table(results / "simulate" / slide / "fields.tsv", pd.DataFrame(truth))


def make_truth(folder: Path, field: str, generator: np.random.Generator) -> dict[str, str]:
    """A field's noise-free planes, which field 007 lacks, and its shots at three continuous offsets."""
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    clean, continuous = f"truth/{field}_clean.ome.tif", f"truth/{field}_continuous.npy"
    if field != "007":
        near = Z_UM[FOCUS - 1 : FOCUS + 2]
        planes = generator.integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)
        write_stack(folder / clean, Stack(planes, near, 0.345))
    without_noise, surface, in_focus = (
        f"truth/{field}_{name}.npy" for name in ("continuous_clean", "surface", "in_focus")
    )
    # the second patch's columns lie 0.75 µm higher than the first one's, half a plane beside planes
    height_um = np.where(np.arange(WIDTH) < 35, Z_UM[FOCUS], Z_UM[FOCUS] + 0.625)
    np.save(folder / surface, np.broadcast_to(height_um, (HEIGHT, WIDTH)).astype(np.float32))
    np.save(folder / in_focus, generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    for name in (continuous, without_noise):
        np.save(folder / name, generator.integers(0, 256, (3, 2, HEIGHT, WIDTH, 3), dtype=np.uint8))
    return {
        "field": field,
        "clean_file": clean if field != "007" else "",
        "continuous_file": continuous,
        "continuous_clean_file": without_noise,
        "continuous_z_um": "1.723000,0.250000,2.100000",
        "surface_file": surface,
        "in_focus_file": in_focus if field != "007" else "",
    }


def pairs(results: Path, slide: str, *, role="train", patient: str | None = None, simulated=False, **more) -> Path:
    """Run tsva pairs."""
    row = {
        "slide": slide,
        "patient": patient or slide,
        "sample": "Sample1",
        "role": role,
        "source": "stack",
        "path": "x",
    }
    out = results / "pairs" / slide
    run(
        pairs_command,
        *settings_option(slide=row, pairs={**SETTINGS, **more}),
        "--seed",
        1,
        "--ingest",
        results / "ingest" / slide,
        "--focus",
        results / "focus" / slide,
        *(("--simulated", results / "simulate" / slide) if simulated else ()),
        "--results",
        results,
        "--out",
        out,
    )
    return out


def split(results: Path, *slides: str, **settings: object) -> None:
    """Run tsva split as the workflow does, each list of files behind one flag."""
    folder = results / "pairs"
    run(
        split_command,
        *settings_option(pairs=settings),
        "--seed",
        1,
        "--table",
        *(folder / slide / "patches.tsv" for slide in slides),
        "--excluded",
        *(folder / slide / "excluded.tsv" for slide in slides),
        "--out-train",
        folder / "train.tsv",
        "--out-dataset1",
        folder / "dataset1.tsv",
        "--out-dataset2",
        folder / "dataset2.tsv",
        "--out-excluded",
        folder / "excluded.tsv",
    )


def test_patches_come_from_the_stacks(tmp_path):
    make_slide(tmp_path, "s1", channels=1)
    out = pairs(tmp_path, "s1")
    table, array = read_table(out / "patches.tsv"), np.load(out / "patches.npy")
    assert table["field"].tolist() == ["f1", "f1", "007", "007"]
    assert set(table["array"]) == {"pairs/s1/patches.npy"}
    assert array.shape == (4, 7, 32, 32, 1) and array.dtype == np.uint8
    from tsva.readers.stack_file import read_stack

    for row in table.itertuples():
        planes = read_stack(tmp_path / "ingest/s1" / f"stacks/{row.field}.ome.tif").planes
        wanted = planes[FOCUS - 3 : FOCUS + 4, row.y_px : row.y_px + 32, row.x_px : row.x_px + 32]
        assert np.array_equal(array[row.index], wanted)
    assert len(np.load(out / "clean.npy")) == 0 and len(np.load(out / "continuous.npy")) == 0
    assert read_table(out / "excluded.tsv").empty


def test_simulated_truth_is_cut_beside(tmp_path):
    make_slide(tmp_path, "s1", simulated=True)
    out = pairs(tmp_path, "s1", simulated=True, truth="field")
    table = read_table(out / "patches.tsv")
    assert table["has_clean"].tolist() == [1, 1, 0, 0]
    assert table["draws"].tolist() == [3] * 4
    clean, continuous = np.load(out / "clean.npy"), np.load(out / "continuous.npy")
    shots = np.load(tmp_path / "simulate/s1/truth/007_continuous.npy")
    assert np.array_equal(continuous[3], shots[:, :, 4:36, 35:67])
    without_noise = np.load(tmp_path / "simulate/s1/truth/007_continuous_clean.npy")
    assert np.array_equal(np.load(out / "continuous_clean.npy")[3], without_noise[:, :, 4:36, 35:67])
    from tsva.readers.stack_file import read_stack

    sharp = read_stack(tmp_path / "simulate/s1/truth/f1_clean.ome.tif").planes[1]
    assert np.array_equal(clean[1], sharp[4:36, 35:67])
    drawn = read_table(out / "continuous.tsv")
    assert drawn["index"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    # middle positions less where the field was found in focus (z = 1.5 µm)
    assert drawn["focal_offset_um"].to_numpy()[:3] == pytest.approx([0.223, -1.25, 0.6])


def test_simulated_patches_count_from_their_own_surface(tmp_path):
    make_slide(tmp_path, "s1", simulated=True)
    out = pairs(tmp_path, "s1", simulated=True)
    table = read_table(out / "patches.tsv")
    assert table["own_focus_z_um"].tolist() == [1.5, 2.125] * 2
    assert table["target_plane"].tolist() == [FOCUS, FOCUS + 1] * 2
    assert table["target_offset_um"].tolist() == [0, -0.125] * 2
    drawn = read_table(out / "continuous.tsv")["focal_offset_um"].to_numpy()
    assert drawn[:6] == pytest.approx([0.223, -1.25, 0.6, -0.402, -1.875, -0.025])
    in_focus = np.load(tmp_path / "simulate/s1/truth/f1_in_focus.npy")
    assert np.array_equal(np.load(out / "clean.npy")[1], in_focus[4:36, 35:67])
    from tsva.readers.stack_file import read_stack

    planes = read_stack(tmp_path / "ingest/s1/stacks/f1.ome.tif").planes
    assert np.array_equal(np.load(out / "patches.npy")[1], planes[FOCUS - 2 : FOCUS + 5, 4:36, 35:67])


def test_a_slide_without_a_usable_field_has_empty_tables(tmp_path):
    make_slide(tmp_path, "s1", verdict="blank", simulated=True)
    out = pairs(tmp_path, "s1", simulated=True)
    assert read_table(out / "patches.tsv").empty
    assert np.load(out / "patches.npy", mmap_mode=None).shape == (0, 7, 32, 32, 3)
    assert read_table(out / "excluded.tsv")["reason"].tolist() == ["nothing stained"] * 2


def test_a_second_run_replaces_the_first(tmp_path):
    make_slide(tmp_path, "s1")
    out = pairs(tmp_path, "s1")
    (out / "left over").touch()
    first = (out / "patches.tsv").read_bytes()
    pairs(tmp_path, "s1")
    assert (out / "patches.tsv").read_bytes() == first
    assert not (out / "left over").exists()


def test_split_gathers_all_slides(tmp_path):
    for slide, role, verdict in (
        ("a", "train", "ok"),
        ("b", "train", "ok"),
        ("c", "dataset1", "ok"),
        ("d", "train", "edge"),
    ):
        make_slide(tmp_path, slide, verdict=verdict)
        pairs(tmp_path, slide, role=role)
    split(tmp_path, "a", "b", "c", "d")
    train = read_table(tmp_path / "pairs/train.tsv")
    assert train.groupby("slide")["split"].first().sort_values().tolist() == ["training", "verification"]
    assert train["index"].tolist() == [0, 1, 2, 3] * 2
    assert read_table(tmp_path / "pairs/dataset1.tsv")["split"].tolist() == ["test"] * 4
    empty = read_table(tmp_path / "pairs/dataset2.tsv")
    assert empty.empty and list(empty.columns) == list(train.columns)
    left_out = read_table(tmp_path / "pairs/excluded.tsv")
    assert left_out["slide"].tolist() == ["d", "d"]
    assert "\t\t\t" in (tmp_path / "pairs/excluded.tsv").read_text()  # no row and no column of a whole field


def test_split_says_why_a_data_set_is_empty(tmp_path):
    for slide, role, verdict in (("a", "train", "ok"), ("b", "train", "ok"), ("c", "dataset2", "blank")):
        make_slide(tmp_path, slide, verdict=verdict)
        pairs(tmp_path, slide, role=role)
    with pytest.raises(UserError, match=r"dataset2.*without usable fields \(2 × nothing stained\)"):
        split(tmp_path, "a", "b", "c")
    assert not (tmp_path / "pairs/train.tsv").exists()


def test_planes_are_aligned_by_request(tmp_path: Path) -> None:
    """The second plane above focus is moved by whole pixels in one field; the other can't be aligned."""
    make_slide(tmp_path, "A")
    plain = read_array(pairs(tmp_path, "A") / "patches.npy")
    table = pd.DataFrame(
        [
            {"field": field, "plane": plane, "z_um": z, "shift_y_px": 0.0, "shift_x_px": 0.0, "scale_trend": 1.0}
            for field in ("f1", "007")
            for plane, z in enumerate(Z_UM)
        ]
    )
    table.loc[(table["field"] == "f1") & (table["plane"] == FOCUS + 2), ["shift_y_px", "shift_x_px"]] = [3.0, -2.0]
    unlike = (table["field"] == "007") & (table["plane"] == FOCUS - 1)
    table.loc[unlike, ["shift_y_px", "shift_x_px"]] = np.nan
    write_table(tmp_path / "focus/A/planes.tsv", table)
    out = pairs(tmp_path, "A", align_planes=True)
    used, excluded = read_table(out / "patches.tsv"), read_table(out / "excluded.tsv")
    assert used["field"].unique().tolist() == ["f1"]
    assert excluded["reason"].tolist() == ["the plane at z = 1 µm can't be aligned with the in-focus plane"]
    found, middle = read_array(out / "patches.npy"), plain.shape[1] // 2
    others = [plane for plane in range(plain.shape[1]) if plane != middle + 2]
    assert np.array_equal(found[:, others], plain[: len(found), others])
    # moved down by 3 and left by 2: content comes from 3 rows above and 2 columns to the right
    assert np.array_equal(found[:, middle + 2, 3:, :-2], plain[: len(found), middle + 2, :-3, 2:])
