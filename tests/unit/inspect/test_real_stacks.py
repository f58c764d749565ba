"""Real focal stacks through inspect, ingest and focus: the right plane, and the right warnings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from settings_file import settings_option

from tsva.cli.focus import command as focus
from tsva.cli.ingest import command as ingest
from tsva.cli.inspect import command as inspect
from tsva.stage_files import read_table

SMEAR = Path(__file__).parents[2] / "golden/smear.ome.tif"
"""A Pap smear of the SharpnessEvaluationDataset (arnaud-nt2i, CC0), grey, cut to one size and halved; in focus at 0.
The lens changes its magnification by 0.5 % a plane; steps are equal, their size and that of pixels is not known."""


def told(path: Path, settings: str, *arguments: str, folder: Path) -> dict:
    (folder / "fit.yaml").write_text(settings)
    options = ["--json", "--configfile", str(folder / "fit.yaml"), *arguments]
    result = CliRunner().invoke(inspect, [str(path), *options])
    return json.loads(result.stdout)


def run(command: object, *arguments: str) -> None:
    result = CliRunner().invoke(command, arguments)  # type: ignore[arg-type]
    if result.exception is not None:
        raise result.exception


SETTINGS = """
optics: {pixel_um: 0.69}
acquisition: {z_step_um: 1.0, delta_um: 1.0, offset_max_um: 3.0}
pairs: {patch_px: 64}
simulate: {field_px: [128, 128]}
"""


def test_a_smear_whose_magnification_changes_with_focus(tmp_path: Path) -> None:
    found = told(SMEAR, SETTINGS, folder=tmp_path)
    (field,) = found["fields"]
    assert (field["verdict"], abs(field["focus_z_um"])) == ("ok", 0)
    assert found["light"] == "amber" and found["fit_for_training"]
    assert any("focus breathing" in reason for reason in found["reasons"])
    assert any("brightness differs by" in reason for reason in found["reasons"])
    known = [scale for scale in field["scale"] if scale is not None]
    assert max(known) - min(known) > 0.03


def test_the_smear_through_ingest_and_focus(tmp_path: Path) -> None:
    row = {"slide": "S", "patient": "p", "sample": "T", "role": "train", "source": "stack", "path": str(SMEAR)}
    sections = {"pairs": {"z_step_um": 1.0, "delta_um": 1.0, "patch_px": 64}, "optics": {"pixel_um": 0.69}}
    run(ingest, *settings_option(slide=row, **sections), "--sheet-folder", str(tmp_path), "--out", str(tmp_path / "in"))
    run(focus, *settings_option(**sections), "--ingest", str(tmp_path / "in"), "--out", str(tmp_path / "out"))
    row_of_field = read_table(tmp_path / "out/fields.tsv").iloc[0]
    assert (row_of_field["verdict"], row_of_field["focus_z_um"]) == ("ok", 0)
    reasons = json.loads((tmp_path / "in/inputs.json").read_text())["reasons"]
    assert any(reason.startswith("brightness differs by 5") for reason in reasons)


def test_adipose_tissue_whose_brightness_differs(shared: Path, tmp_path: Path) -> None:
    """17 planes stepped by hand; adipose_z10 and z11 are nearly equal."""
    size = ("--pixel-um", "0.345", "--z-step-um", "0.5")
    found = told(shared / "data/stacks/adipose", "acquisition: {offset_max_um: 1.0}", *size, folder=tmp_path)
    (field,) = found["fields"]
    assert field["verdict"] == "ok" and abs(field["focus_z_um"] / 0.5 - 10) <= 1
    assert found["light"] == "amber"
    assert any("brightness differs by 1" in reason for reason in found["reasons"])


@pytest.mark.parametrize("names", ["smear", "adipose"])
def test_names_of_real_folders_tell_no_unit(shared: Path, tmp_path: Path, names: str) -> None:
    """What counts planes is no micrometre: the step is asked for."""
    result = CliRunner().invoke(inspect, [str(shared / "data/stacks" / names), "--pixel-um", "0.345", "--row"])
    assert "Z_STEP_UM" in result.stdout
    assert tmp_path.is_dir()
