"""tsva simulate: the files that docs/data.md promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from settings_file import settings_option

from tsva.cli.simulate import command
from tsva.errors import UserError
from tsva.optics import camera
from tsva.readers.stack_file import read_stack
from tsva.stage_files import read_table

SETTINGS = {
    "field_px": [64, 64],
    "fields": {"dataset1": 2, "train": 2},
    "z_first_um": -4.0,
    "z_last_um": 4.0,
    "draws": 1,
}
OPTICS = {"bandwidth_um": 0}


def _run(out: Path, row: dict, settings: dict = SETTINGS) -> Result:
    row = {"slide": "S1", "patient": "P1", "sample": "Sample1", "role": "dataset1", **row}
    arguments = settings_option(slide=row, simulate=settings, optics=OPTICS)
    return CliRunner().invoke(
        command, [*arguments, "--seed", "3", "--sheet-folder", str(out.parent), "--out", str(out)]
    )


@pytest.mark.parametrize("role", ["train", "dataset1"])
def test_writes_stacks_and_truth(tmp_path: Path, role: str) -> None:
    result = _run(tmp_path / "S1", {"source": "simulated", "tissue": "stromal", "role": role})
    assert result.exception is None
    table = read_table(tmp_path / "S1/fields.tsv")
    assert table["field"].tolist() == ["f001", "f002"]
    assert table["reason"].tolist() == ["", ""]
    for row in table.to_dict("records"):
        stack = read_stack(tmp_path / "S1" / row["file"])
        assert (
            stack.planes.shape == (row["planes"], row["height_px"], row["width_px"], row["channels"]) == (17, 64, 64, 3)
        )
        assert (stack.z_um[0], stack.z_um[-1], stack.z_step_um) == (
            row["z_first_um"],
            row["z_last_um"],
            row["z_step_um"],
        )
        assert stack.pixel_um == row["pixel_um"] == 0.345
        clean = read_stack(tmp_path / "S1" / row["clean_file"])
        assert set(clean.z_um) <= set(stack.z_um)
        assert np.load(tmp_path / "S1" / row["continuous_file"]).shape == (1, 2, 64, 64, 3)
        without_noise = row["continuous_clean_file"]
        assert (without_noise != "") == (role != "train")
        if without_noise:
            assert np.load(tmp_path / "S1" / without_noise).shape == (1, 2, 64, 64, 3)
        assert abs(float(row["continuous_z_um"]) - row["focus_z_um"]) <= 3
        surface = np.load(tmp_path / "S1" / row["surface_file"])
        assert surface.dtype == np.float32 and surface.mean() == pytest.approx(row["focus_z_um"], abs=1e-6)
        nuclei = read_table(tmp_path / "S1" / row["nuclei_file"])
        assert list(nuclei.columns) == ["y_px", "x_px", "depth_um", "radius_um", "area_um2"]


def test_images_by_pattern_share_the_fields_and_blank_ones_have_a_reason(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, contrast in (("a", 150), ("b", 0), ("c", 150)):
        noise = rng.random((130, 130, 1)) * contrast * np.array([0.3, 1.0, 0.6])
        Image.fromarray((235 - noise).astype(np.uint8)).save(tmp_path / f"{name}.png")
    result = _run(tmp_path / "S1", {"source": "image", "path": "*.png", "pixel_um": 0.1725})
    assert result.exception is None
    table = read_table(tmp_path / "S1/fields.tsv")
    assert [row["file"] != "" for row in table.to_dict("records")] == [True, False, True]
    assert table["reason"].str.contains("blank").tolist() == [False, True, False]
    assert table["nuclei_file"].tolist() == ["", "", ""]


def test_no_picture_is_reported(tmp_path: Path) -> None:
    result = _run(tmp_path / "S1", {"source": "image", "path": "*.svs", "pixel_um": 0.5})
    assert isinstance(result.exception, UserError)
    assert "slide S1, column path" in str(result.exception)
    assert not (tmp_path / "S1").exists()


def test_files_that_would_name_the_same_fields_are_reported(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (130, 130)).save(tmp_path / name)
    result = _run(tmp_path / "S1", {"source": "image", "path": "a.*", "pixel_um": 0.1725})
    assert isinstance(result.exception, UserError)
    assert "got a.jpg and a.png" in str(result.exception)


def test_a_failure_leaves_no_half_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def fails_later(*args: object) -> np.ndarray:
        taken.append(1)
        if len(taken) > 30:
            raise MemoryError
        return camera.expose(*args)

    monkeypatch.setattr("tsva.simulation.simulate.expose", fails_later)
    result = _run(tmp_path / "S1", {"source": "simulated", "tissue": "stromal"})
    assert isinstance(result.exception, MemoryError)
    assert not (tmp_path / "S1").exists()
