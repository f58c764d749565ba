"""tsva ingest from the sheet's row to the stacks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from settings_file import settings_option

from tsva.acquisition.stack import Stack
from tsva.cli.ingest import command
from tsva.errors import UserError
from tsva.readers.stack_file import read_stack, write_stack
from tsva.stage_files import read_table, write_table

RNG = np.random.default_rng(1)
PLANES = RNG.integers(0, 256, (5, 64, 80, 3), dtype=np.uint8)
ROW = {
    "slide": "S",
    "patient": "p",
    "sample": "Sample1",
    "role": "train",
    "source": "planes",
    "path": "d",
    "pattern": "{field}_z{z}.png",
    "pixel_um": 0.345,
}


def _run(tmp_path: Path, row: dict, *more: str, **sections: object) -> Path:
    out = tmp_path / "results/S"
    arguments = [*settings_option(slide=row, **sections), "--sheet-folder", str(tmp_path), "--out", str(out), *more]
    result = CliRunner().invoke(command, arguments)
    if result.exception is not None:
        raise result.exception
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two fields of five planes, 0.5 µm apart."""
    (tmp_path / "d").mkdir()
    for field in ("001", "002"):
        for plane, z in zip(PLANES, (-1, -0.5, 0, 0.5, 1), strict=True):
            Image.fromarray(plane if field == "001" else plane[::-1]).save(tmp_path / f"d/{field}_z{z}.png")
    return tmp_path / "d"


def test_a_copy_of_a_field_is_refused(folder: Path, tmp_path: Path) -> None:
    """Under another name, it would count twice."""
    for plane in folder.glob("002_*.png"):
        plane.write_bytes((folder / plane.name.replace("002", "001")).read_bytes())
    with pytest.raises(UserError, match="field 002 with the pixels of field 001"):
        _run(tmp_path, ROW)


@pytest.mark.usefixtures("folder")
def test_planes_become_stacks(tmp_path: Path) -> None:
    out = _run(tmp_path, ROW)
    table = read_table(out / "fields.tsv")
    assert table["field"].tolist() == ["001", "002"]
    row = table.iloc[0]
    assert row["file"] == "stacks/001.ome.tif"
    numbers = ["planes", "height_px", "width_px", "channels", "pixel_um", "z_first_um", "z_last_um", "z_step_um"]
    assert row[numbers].tolist() == [5, 64, 80, 3, 0.345, -1, 1, 0.5]
    assert row[["source_pixel_um", "mosaic_px"]].isna().all()
    stack = read_stack(out / row["file"])
    assert np.array_equal(stack.planes, PLANES)
    assert stack.z_um.tolist() == [-1, -0.5, 0, 0.5, 1]


@pytest.mark.usefixtures("folder")
def test_other_pixel_sizes_are_resampled_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    out = _run(tmp_path, {**ROW, "pixel_um": 0.1725})
    row = read_table(out / "fields.tsv").iloc[0]
    assert row[["height_px", "width_px", "pixel_um", "source_pixel_um"]].tolist() == [32, 40, 0.345, 0.1725]
    assert read_stack(out / row["file"]).planes.shape == (5, 32, 40, 3)
    assert "resampled from 0.1725 to 0.345 µm per pixel" in caplog.text


def _nothing(_: Path) -> None:
    """The folder is left as it is."""


BAD = {
    "a missing plane": (lambda d: (d / "001_z0.png").unlink(), {}, "got 1 missing plane between"),
    "the same z": (
        lambda d: (d / "001_z0.0.png").write_bytes((d / "001_z0.png").read_bytes()),
        {},
        r"two planes at z = 0 µm \(001_z0\.0\.png and 001_z0\.png\)",
    ),
    "irregular z": (lambda d: (d / "001_z0.png").rename(d / "001_z0.2.png"), {}, "got irregular z"),
    "another size": (
        lambda d: Image.fromarray(PLANES[0, 1:]).save(d / "002_z0.png"),
        {},
        r"002_z0\.png of 63×80 .*wanted 64×80",
    ),
    "truncated": (
        lambda d: (d / "002_z0.5.png").write_bytes((d / "002_z0.5.png").read_bytes()[:999]),
        {},
        r"002_z0\.5\.png: got a file that can't be read",
    ),
    "16 bits": (
        lambda d: Image.fromarray(PLANES[0, ..., 0].astype(np.uint16)).save(d / "001_z0.png"),
        {},
        r"001_z0\.png: got 16 bits per channel",
    ),
    "grey among colour": (
        lambda d: Image.fromarray(PLANES[0, ..., 0]).save(d / "001_z0.png"),
        {},
        r"001_z0\.png of 64×80 pixels and 1 channel; wanted 64×80 pixels and 3 channels",
    ),
    "no pixel size": (_nothing, {"pixel_um": None}, "got no pixel size in the file"),
    "no such folder": (_nothing, {"path": "e"}, "got no such folder"),
    "no such names": (_nothing, {"pattern": "{field}-z{z}.png"}, "no file whose name fits .*001_z-0.5.png"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named_and_leaves_nothing(tmp_path: Path, folder: Path, kind: str) -> None:
    spoil, cells, message = BAD[kind]
    spoil(folder)
    row = {key: value for key, value in {**ROW, **cells}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        _run(tmp_path, row)
    assert not (tmp_path / "results/S").exists()


@pytest.mark.usefixtures("folder")
def test_the_step_is_the_pairs_for_training_alone(tmp_path: Path) -> None:
    pairs = {"z_step_um": 0.25}
    with pytest.raises(UserError, match=r"planes 0\.5 µm apart; wanted planes 0\.25 µm apart"):
        _run(tmp_path, ROW, pairs=pairs)
    assert len(read_table(_run(tmp_path, {**ROW, "role": "refocus"}, pairs=pairs) / "fields.tsv")) == 2


def test_irregular_stacks_can_be_let_in(tmp_path: Path, folder: Path) -> None:
    (folder / "001_z0.png").rename(folder / "001_z0.2.png")
    table = read_table(_run(tmp_path, ROW, ingest={"require_regular_z": False}) / "fields.tsv")
    assert np.isnan(table["z_step_um"].iloc[0])
    assert table["z_step_um"].iloc[1] == 0.5


def test_two_shots_of_a_slide_to_refocus(tmp_path: Path, folder: Path) -> None:
    for z in ("-1", "0", "1"):
        for field in ("001", "002"):
            (folder / f"{field}_z{z}.png").unlink()
    table = read_table(_run(tmp_path, {**ROW, "role": "refocus"}) / "fields.tsv")
    assert table["planes"].tolist() == [2, 2]


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    """A simulate folder with one usable field and one that is blank."""
    folder = tmp_path / "simulate/S"
    (folder / "stacks").mkdir(parents=True)
    write_stack(folder / "stacks/f1.ome.tif", Stack(PLANES, np.arange(5) / 2 - 1, 0.345))
    write_table(
        folder / "fields.tsv",
        pd.DataFrame(
            {
                "slide": "S",
                "field": ["f1", "f2"],
                "file": ["stacks/f1.ome.tif", ""],
                "reason": ["", "blank: nothing there"],
                "clean_file": ["truth/f1_clean.ome.tif", ""],
            }
        ),
    )
    return folder


SIMULATED = {
    "slide": "S",
    "patient": "p",
    "sample": "Sample1",
    "role": "train",
    "source": "simulated",
    "tissue": "fatty",
}


def test_simulated_stacks_are_linked_and_not_copied(tmp_path: Path, simulated: Path) -> None:
    out = _run(tmp_path, SIMULATED, "--simulated", str(simulated))
    table = read_table(out / "fields.tsv")
    assert table[["field", "reason"]].to_numpy().tolist() == [["f1", ""], ["f2", "blank: nothing there"]]
    assert table["planes"].iloc[0] == 5
    assert np.isnan(table["planes"].iloc[1])
    assert (out / "stacks/f1.ome.tif").samefile(simulated / "stacks/f1.ome.tif")
    assert "clean_file" not in table


def test_where_links_do_not_work_it_copies(tmp_path: Path, simulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    out = _run(tmp_path, SIMULATED, "--simulated", str(simulated))
    assert not (out / "stacks/f1.ome.tif").samefile(simulated / "stacks/f1.ome.tif")
    assert np.array_equal(read_stack(out / "stacks/f1.ome.tif").planes, PLANES)


def test_a_slide_without_a_usable_field_is_named(tmp_path: Path, simulated: Path) -> None:
    table = read_table(simulated / "fields.tsv")
    write_table(simulated / "fields.tsv", table[table["field"] == "f2"])
    with pytest.raises(UserError, match=r"slide S: got no usable field \(blank: nothing there\)"):
        _run(tmp_path, SIMULATED, "--simulated", str(simulated))
    write_table(simulated / "fields.tsv", table[:0])
    with pytest.raises(UserError, match="slide S: got no field at all"):
        _run(tmp_path, SIMULATED, "--simulated", str(simulated))


def test_a_location_of_patches_is_a_mosaic(tmp_path: Path) -> None:
    (tmp_path / "d/s1_l1").mkdir(parents=True)
    for nm in (-350, 150, 650):
        for patch in range(3):
            Image.fromarray(np.full((224, 224, 3), 50 * patch, np.uint8)).save(
                tmp_path / f"d/s1_l1/Seg{patch}_defocus{nm}.jpg"
            )
    row = {key: ROW[key] for key in ("slide", "patient", "sample", "role", "path")} | {"source": "jiang2018"}
    cells = read_table(_run(tmp_path, row) / "fields.tsv").iloc[0]
    assert cells[["height_px", "width_px", "mosaic_px", "z_first_um", "z_step_um"]].tolist() == [
        224,
        672,
        224,
        -0.35,
        0.5,
    ]
    with pytest.raises(UserError, match=r"patches with pixels of 0\.345 µm; wanted 0\.5 µm .*can't be resampled"):
        _run(tmp_path, row, optics={"pixel_um": 0.5})


def test_the_users_files_stay_as_they_are(tmp_path: Path, folder: Path) -> None:
    def state() -> dict[str, object]:
        return {
            path.name: (path.stat().st_mtime_ns, path.stat().st_nlink, path.read_bytes()) for path in folder.iterdir()
        }

    before = state()
    _run(tmp_path, ROW)
    assert state() == before


def test_planes_of_several_sizes_are_cut_by_request(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, z in enumerate((-1, -0.5, 0, 0.5, 1)):
        grown = np.pad(PLANES[number], ((2 * number,) * 2, (number,) * 2, (0, 0)))
        Image.fromarray(grown[:, ::-1]).save(folder / f"002_z{z}.png")
    out = _run(tmp_path, ROW, ingest={"crop_planes": True})
    assert np.array_equal(read_stack(out / "stacks/002.ome.tif").planes, PLANES[:, :, ::-1])
    assert "planes of up to 80×88 pixels cut about their centres to 64×80" in caplog.text


def test_brightness_is_written_warned_of_and_matched(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steady = np.tile(PLANES[0, ..., :1] // 4 + 100, (1, 1, 3))
    gains = np.array([1.0, 0.94, 1.03, 1.01, 0.97])
    for field, pixels in (("001", steady), ("002", steady[::-1])):
        for gain, z in zip(gains, (-1, -0.5, 0, 0.5, 1), strict=True):
            Image.fromarray(np.rint(pixels * gain).astype(np.uint8)).save(folder / f"{field}_z{z}.png")
    plain = _run(tmp_path, ROW)
    planes, fields = read_table(plain / "planes.tsv"), read_table(plain / "fields.tsv")
    assert planes["brightness_1"].to_numpy() == pytest.approx(np.tile(gains, 2) * steady.mean(), rel=0.002)
    assert fields["brightness_spread"].to_numpy() == pytest.approx([0.09, 0.09], abs=0.002)
    assert fields["brightness_matched"].tolist() == [0, 0]
    assert fields["digest"].nunique() == 2
    assert caplog.text.count("brightness differs by") == 2
    matched = _run(tmp_path, ROW, ingest={"match_brightness": True})
    means = read_stack(matched / "stacks/001.ome.tif").planes.mean(axis=(1, 2, 3))
    assert np.ptp(means) / means.mean() < 0.004
    assert read_table(matched / "fields.tsv")["brightness_matched"].tolist() == [1, 1]
    assert not list((matched / "stacks").glob("matched-*"))


def test_stretched_planes_are_refused_to_train_with(tmp_path: Path, folder: Path) -> None:
    wave = 128 + 100 * np.sin(np.arange(80) / 9) + 20 * RNG.random((64, 80))
    for number, z in enumerate((-1, -0.5, 0, 0.5, 1)):
        plane = wave ** (1 + 0.1 * number)
        stretched = np.rint((plane - plane.min()) / np.ptp(plane) * 255).astype(np.uint8)
        for field, pixels in (("001", stretched), ("002", stretched[::-1])):
            Image.fromarray(pixels).save(folder / f"{field}_z{z}.png")
    with pytest.raises(UserError, match="planes stretched each to its own range"):
        _run(tmp_path, ROW)
    assert not (tmp_path / "results/S").exists()
    _run(tmp_path, {**ROW, "role": "refocus"})


def test_what_is_known_of_the_files_is_written(folder: Path, tmp_path: Path) -> None:
    """The same facts as tsva inspect tells, for the report."""
    (folder / "notes.txt").write_text("left")
    told = json.loads((_run(tmp_path, ROW, ingest={"max_brightness_spread": 0.05}) / "inputs.json").read_text())
    assert told["files"] == {"taken": 10, "left": 1, "left_names": ["notes.txt"]}
    field = told["fields"][0]
    assert (field["z_source"], field["pixel_source"]) == ("the planes' names", "the sheet's pixel_um")
    assert (field["z_um"], len(field["brightness"]), told["light"]) == ([-1, -0.5, 0, 0.5, 1], 5, "green")
    for plane, z in zip(PLANES, (-1, -0.5, 0, 0.5, 1), strict=True):
        Image.fromarray((plane * (0.9 + 0.1 * abs(z))).astype(np.uint8)).save(folder / f"001_z{z}.png")
    told = json.loads((_run(tmp_path, ROW, ingest={"max_brightness_spread": 0.05}) / "inputs.json").read_text())
    assert told["light"] == "amber" and told["reasons"][0].startswith("brightness differs by")
