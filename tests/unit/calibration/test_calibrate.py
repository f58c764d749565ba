"""`tsva calibrate` on stacks of known optics: what it finds, what it writes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import tsva
from tsva.cli.calibrate import command
from tsva.errors import UserError
from tsva.readers.stack_file import write_stack
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings

TRUE = OpticsSettings(na=0.4, pixel_um=0.65, model="debye")
Z_UM = np.arange(-9, 10) * 1.5
THICKNESS_UM = 5.0
MICROSCOPE = MicroscopeSettings(full_well_e=9000, read_noise_e=30.0, spherical_um=0.02)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(command, arguments)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture(scope="module")
def out(simulate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command wrote of a grey stack whose objective was given 20 % too high."""
    folder = tmp_path_factory.mktemp("calibrate")
    stack = simulate(TRUE, Z_UM, thickness_um=THICKNESS_UM, microscope=MICROSCOPE)
    write_stack(folder / "stack.ome.tif", stack)
    run(str(folder / "stack.ome.tif"), "--na", "0.48", "--measure-only", "--out", str(folder / "out"))
    return folder / "out"


@pytest.fixture(scope="module")
def record(out: Path) -> dict:
    return json.loads((out / "calibration.json").read_text())


def test_the_aperture_is_found(record: dict) -> None:
    found = record["optics"]["na"]
    assert found["fitted"] and found["given"] == 0.48
    assert found["value"] == pytest.approx(TRUE.na, rel=0.05)
    assert abs(found["value"] - TRUE.na) < 2.5 * found["standard_error"]


def test_thickness_and_aberration_are_found(record: dict) -> None:
    assert record["section"]["thickness_um"] == pytest.approx(THICKNESS_UM, rel=0.2)
    assert record["optics"]["spherical_um"]["value"] == pytest.approx(MICROSCOPE.spherical_um, abs=0.005)


def test_the_noise_is_found(record: dict) -> None:
    (grey,) = record["noise"]["channels"]
    level = grey["level_grey_levels"] / 255
    photons, read = level / MICROSCOPE.full_well_e, (MICROSCOPE.read_noise_e / MICROSCOPE.full_well_e) ** 2
    true = 255 * np.sqrt(photons + read + 1 / 12 / 255**2)
    assert grey["sd_grey_levels"] == pytest.approx(true, rel=0.03)
    assert abs(grey["sd_grey_levels"] - true) < 4 * grey["sd_standard_error"] + 0.01 * true


def test_modelled_spectra_follow_the_measured_ones(record: dict) -> None:
    assert record["optics"]["spectra_differ_by"] < 0.1
    measured, modelled = (np.array(record["spectra"][key]) for key in ("measured", "modelled"))
    assert measured.shape == modelled.shape == (1, 14, len(record["spectra"]["z_um"]))
    fine = np.array(record["spectra"]["frequency_per_um"]) * TRUE.pixel_um < 0.3  # beyond, noise alone is left
    assert np.sqrt(np.mean((measured - modelled)[:, fine] ** 2)) < 0.05


def test_the_best_distance_lies_in_its_interval(record: dict) -> None:
    delta = record["delta"]
    assert delta["low_um"] <= delta["delta_um"] <= delta["high_um"]
    assert delta["offset_known_um"] < delta["delta_um"]
    curves = {key: np.array(values) for key, values in delta["psnr_db"].items()}
    assert np.all(curves["known"] >= curves["estimated"] - 1e-9)
    assert np.all(curves["estimated"] > curves["sharper_shot"] - 0.5)


def test_settings_can_be_pasted(record: dict) -> None:
    optics = OpticsSettings.model_validate(record["settings"]["optics"])
    assert optics.na == pytest.approx(record["optics"]["na"]["value"], abs=1e-3)
    assert optics.pixel_um == TRUE.pixel_um and optics.model == "debye"
    steps = record["settings"]["acquisition"]["delta_um"] / record["settings"]["acquisition"]["z_step_um"]
    assert steps == round(steps)


def test_the_page_stands_alone(out: Path) -> None:
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org", "") and "<svg" in page
    assert {"spectra.csv", "brightness.svg", "delta.pdf"} <= {file.name for file in (out / "figures").iterdir()}


def refused(optics: OpticsSettings, *stacks: tsva.Stack) -> str:
    with pytest.raises(UserError) as error:
        tsva.calibrate(stacks, optics)
    return str(error.value)


def test_what_cannot_be_measured_is_refused(simulate) -> None:
    random = np.random.default_rng(1)
    blank = np.clip(np.rint(random.normal(230, 1.5, (9, 96, 96, 3))), 0, 255).astype(np.uint8)
    z_um = np.arange(9.0)
    assert "tissue" in refused(TRUE, tsva.Stack(blank, z_um, 0.65))
    assert "1 plane" in refused(TRUE, tsva.Stack(blank[:1], z_um[:1], 0.65))
    assert "evenly" in refused(TRUE, tsva.Stack(blank, z_um**1.5, 0.65))
    tissue = simulate(TRUE, Z_UM, thickness_um=5.0, field_px=96)
    assert "µm a pixel" in refused(TRUE, tissue, tsva.Stack(tissue.planes, tissue.z_um, 0.8))
    low = OpticsSettings(na=0.1, pixel_um=0.65)
    assert "depth of field" in refused(low, tissue)
    assert "none" in refused(TRUE)


def test_the_aperture_is_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no numerical aperture"):
        run("stack.ome.tif", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="no such file"):
        run("stack.ome.tif", "--na", "0.5", "--checkpoint", "none.ckpt", "--out", str(tmp_path / "out"))
    with pytest.raises(UserError, match="--delta-um"):
        run("stack.ome.tif", "--na", "0.5", "--delta-um", "-1", "--out", str(tmp_path / "out"))
    with pytest.raises(UserError, match=r"optics\.na"):
        run("stack.ome.tif", "--na", "3", "--out", str(tmp_path / "out"))
