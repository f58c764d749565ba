"""Pixel sizes and positions in all the ways that files write them: right, or one clear line."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from microscope_files import PIXEL_UM, PLANES, SHARP, STEP_UM, stack, write_imagej, write_ome

from tsva.acquisition.stack import is_even, regular_step_um
from tsva.errors import UserError
from tsva.readers.scale import PREFIXES, SHEET, PixelSizeEntry, check_enlarging, pixel_size, unit_um
from tsva.readers.slide import open_regions
from tsva.readers.source import FieldSource, stored_images
from tsva.readers.stacks import fields_of_stack

GREY = stack()[..., 0]
AGAIN = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MICROMETRES = ("um", "µm", "μm", "\\u00B5m", "Âµm", "micron", "microns", "Micrometer", "micrometre")
PIXELS = f'PhysicalSizeX="{PIXEL_UM}" PhysicalSizeY="{PIXEL_UM}"'


def only(path: Path, *said: float | None) -> FieldSource:
    """The field of a file whose sheet says pixel size and step, or nothing."""
    (field,) = fields_of_stack(path, *(said or (None, None)))
    return field


@pytest.mark.parametrize("text", MICROMETRES)
def test_micrometres_in_all_spellings(text: str) -> None:
    assert unit_um(text) == 1


@pytest.mark.parametrize(("name", "symbol", "power"), [(name, *said) for name, said in PREFIXES.items()])
def test_all_prefixes_of_the_metre(name: str, symbol: str, power: int) -> None:
    for text in (f"{symbol}m", f"{name}meter", f"{name.title()}metres"):
        assert unit_um(text) == pytest.approx(10.0 ** (power + 6), rel=1e-12)


@pytest.mark.parametrize("text", ["pixel", "pixels", "reference frame", "", "sec", "z"])
def test_what_is_no_length(text: str) -> None:
    assert unit_um(text) is None


@AGAIN
@given(
    unit=st.sampled_from([*MICROMETRES[:3], "nm", "mm", "cm", "dm", "m", "inch", "in"]),
    z_unit=st.sampled_from(["um", "nm", "mm"]),
)
def test_imagej_in_any_unit(tmp_path: Path, unit: str, z_unit: str) -> None:
    """The same pixel and step, whatever units x and z are in."""
    scale, z_scale = unit_um(unit), unit_um(z_unit)
    assert scale is not None
    assert z_scale is not None
    told = {"unit": unit if unit != "µm" else "\\u00B5m", "zunit": z_unit, "spacing": STEP_UM / z_scale}
    field = only(write_imagej(tmp_path / "a.tif", GREY, scale / PIXEL_UM, **told))
    assert field.pixel_um == pytest.approx(PIXEL_UM, rel=1e-5)
    assert field.z_um == pytest.approx(STEP_UM * np.arange(PLANES))


def test_centimetres_in_the_tags_and_micrometres_in_the_description(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", GREY, 1e4 / PIXEL_UM, 3, unit="um", spacing=STEP_UM)
    assert only(path).pixel_um == pytest.approx(PIXEL_UM, rel=1e-5)


def test_a_flat_image_of_imagej_is_as_large_as_a_stack_of_it(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "a.tif", GREY[:1], 1 / PIXEL_UM, unit="micron")
    with open_regions(path) as regions:
        assert regions.pixel.um == pytest.approx(PIXEL_UM, rel=1e-5)


@pytest.mark.parametrize(
    ("words", "magnification", "doubt"),
    [
        ([PixelSizeEntry("a", 0.345, 0.69)], None, "not square"),
        ([PixelSizeEntry("a", 6.9, 6.9)], 20, "the camera's own"),
        ([PixelSizeEntry("a", 0.02, 0.02)], 20, "too fine"),
        ([PixelSizeEntry("a", 0.345, None), PixelSizeEntry("b", 0.5, 0.5)], None, "of 0.345 µm (a) and of 0.5 µm (b)"),
    ],
)
def test_sizes_that_are_not_believed(words: list[PixelSizeEntry], magnification: float | None, doubt: str) -> None:
    found = pixel_size("a.tif", words, magnification)
    assert found.um is None
    assert doubt in found.doubt


@given(um=st.floats(0.05, 1.9), other=st.sampled_from([None, 353.0, 0.0, -1.0, float("nan")]))
def test_what_is_no_microscopes_pixel_does_not_count(um: float, other: float | None) -> None:
    assert (
        pixel_size(
            "a", [PixelSizeEntry("a", other, other), PixelSizeEntry("b", um, um), PixelSizeEntry("c", other, None)], 20
        ).um
        == um
    )


@given(um=st.floats(0.05, 20), common=st.floats(0.05, 5))
def test_much_is_enlarged_on_the_sheets_word_alone(um: float, common: float) -> None:
    check_enlarging("a", um, SHEET, common)
    if um <= 1.5 * common:
        check_enlarging("a", um, "tags", common)
        return
    with pytest.raises(UserError, match="column pixel_um"):
        check_enlarging("a", um, "tags", common)


def positions(values: np.ndarray, unit: str) -> str:
    told = f' PositionZUnit="{unit}"' if unit else ""
    return "".join(
        f'<Plane TheZ="{i}" TheC="0" TheT="0" PositionZ="{z!r}"{told}/>' for i, z in enumerate(values.tolist())
    )


@AGAIN
@given(
    falls=st.booleans(),
    unit=st.sampled_from(["µm", "nm", "mm", "", "reference frame"]),
    start=st.integers(-30, 30),
    sheet=st.sampled_from([None, STEP_UM]),
    file_step=st.booleans(),
)
def test_the_order_of_the_file_and_the_step_of_whoever_says_it(
    tmp_path: Path, falls: bool, unit: str, start: int, sheet: float | None, file_step: bool
) -> None:
    """Sharp at one height whatever the order; without a unit the step scales the positions."""
    pixels = GREY[::-1] if falls else GREY
    scale = unit_um(unit) or 1.0
    values = (start + STEP_UM * np.arange(PLANES)) / scale
    attributes = PIXELS + (f' PhysicalSizeZ="{STEP_UM}"' if file_step else "")
    path = write_ome(tmp_path / "a.ome.tif", pixels, attributes, positions(values[::-1] if falls else values, unit))
    if unit_um(unit) is None and not file_step and sheet is None:
        with pytest.raises(UserError, match="column z_step_um"):
            only(path)
        return
    field = only(path, None, sheet)
    assert np.diff(field.z_um) == pytest.approx(STEP_UM)
    assert field.z_absolute == (unit_um(unit) is not None)
    if field.z_absolute:
        assert field.z_um[SHARP] == pytest.approx(start + STEP_UM * SHARP)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], GREY)
    assert any("other way round" in note for note in field.notes) == falls


@pytest.mark.parametrize("sheet", [None, -STEP_UM])
def test_steps_that_go_down(tmp_path: Path, sheet: float | None, caplog: pytest.LogCaptureFixture) -> None:
    """A negative spacing of the file, or of the sheet, means that the first plane is the highest."""
    caplog.set_level(logging.INFO)
    spacing = STEP_UM if sheet else -STEP_UM
    path = write_imagej(tmp_path / "a.tif", GREY[::-1], 1 / PIXEL_UM, unit="um", spacing=spacing)
    field = only(path, None, sheet)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], GREY)
    assert "read the other way round" in caplog.text


@given(jitter=st.lists(st.floats(-0.05, 0.05), min_size=PLANES, max_size=PLANES))
def test_the_jitter_of_a_stage_is_no_irregular_step(jitter: list[float]) -> None:
    z_um = STEP_UM * np.arange(PLANES) + np.array(jitter)
    assert is_even(z_um)
    assert regular_step_um(z_um) == pytest.approx(STEP_UM, abs=0.1 / (PLANES - 1) + 1e-9)


@pytest.mark.parametrize("z_um", [[0, 0.5, 1.5, 2.0], [0, 0.9, 2.1], [0, 0.3, 1.5], [0, 0.5, 1.0, 1.7, 2.4, 3.1]])
def test_other_steps_are_irregular(z_um: list[float]) -> None:
    assert not is_even(np.array(z_um))


@pytest.mark.parametrize(
    ("attribute", "value"), [("PhysicalSizeX", "0,345"), ("PhysicalSizeZ", "0,5"), ("PhysicalSizeX", "about 1")]
)
def test_a_header_whose_number_is_none(tmp_path: Path, attribute: str, value: str) -> None:
    path = write_ome(tmp_path / "a.ome.tif", GREY, f'{attribute}="{value}"')
    with pytest.raises(UserError, match=rf"a\.ome\.tif, {attribute}: got '{value}'; wanted a number"):
        stored_images(path)
