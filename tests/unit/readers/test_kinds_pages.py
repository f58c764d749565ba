"""Pages, planes and positions that do not fit together: refused, or read as they are meant."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from microscope_files import PIXEL_UM, PLANES, STEP_UM, stack, write_imagej, write_ome

from tsva.acquisition.brightness import BrightnessRecorder, check_places
from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.slide import flat_image
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack
from tsva.settings.sheet import SlideRow

AGAIN = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GREY = stack()[..., 0]
PIXELS = f'PhysicalSizeX="{PIXEL_UM}" PhysicalSizeY="{PIXEL_UM}"'
UNITS_UM = {"nm": 1e-3, "µm": 1.0, "mm": 1e3, "pt": 25_400 / 72}


@AGAIN
@given(
    odd=st.integers(0, PLANES - 1), kind=st.sampled_from(["rows", "columns", "compression", "inverted", "predictor"])
)
def test_a_page_that_is_stored_otherwise_is_refused(tmp_path: Path, odd: int, kind: str) -> None:
    """tifffile compares a few pages, and would decode this one as if it were stored like the first."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for number, page in enumerate(GREY):
            how: dict[str, object] = {"photometric": "minisblack", "compression": "lzw"}
            pixels = page
            if number == odd:
                pixels = {"rows": page[1:], "columns": page[:, 1:]}.get(kind, page)
                how |= {"compression": {"compression": None}, "predictor": {"predictor": True}}.get(kind, {})
                how |= {"photometric": "miniswhite"} if kind == "inverted" else {}
            tif.write(pixels, contiguous=False, metadata=None, **how)
    with pytest.raises(UserError):
        [np.stack(list(field.planes())) for field in fields_of_stack(path, PIXEL_UM, STEP_UM)]


@pytest.mark.parametrize("told", [{"images": 7, "slices": 7}, {"slices": 2 * PLANES}, {"images": PLANES, "frames": 2}])
def test_imagej_s_header_counts_the_pages(tmp_path: Path, told: dict[str, object]) -> None:
    path = write_imagej(tmp_path / "a.tif", GREY, 1 / PIXEL_UM, unit="um", spacing=STEP_UM, **told)
    with pytest.raises(UserError, match=rf"states \d+ images, the file holds {PLANES}"):
        stored_images(path)


@AGAIN
@given(units=st.lists(st.sampled_from(sorted(UNITS_UM)), min_size=PLANES, max_size=PLANES), falls=st.booleans())
def test_positions_each_in_a_unit_of_its_own(tmp_path: Path, units: list[str], falls: bool) -> None:
    z_um = STEP_UM * np.arange(PLANES) * (-1 if falls else 1)
    told = "".join(
        f'<Plane TheZ="{z}" TheC="0" TheT="0" PositionZ="{z_um[z] / UNITS_UM[unit]}" PositionZUnit="{unit}"/>'
        for z, unit in enumerate(units)
    )
    (field,) = fields_of_stack(write_ome(tmp_path / "a.ome.tif", GREY, PIXELS, told), None, None)
    assert field.z_um == pytest.approx(sorted(z_um), abs=1e-6)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], GREY[::-1] if falls else GREY)


@AGAIN
@given(missing=st.sets(st.integers(0, PLANES - 1), min_size=1, max_size=PLANES - 2), falls=st.booleans())
def test_positions_of_some_planes_tell_the_direction(tmp_path: Path, missing: set[int], falls: bool) -> None:
    told = "".join(
        f'<Plane TheZ="{z}" TheC="0" TheT="0" PositionZ="{-z if falls else z}" PositionZUnit="µm"/>'
        for z in range(PLANES)
        if z not in missing
    )
    path = write_ome(tmp_path / "a.ome.tif", GREY, f'{PIXELS} PhysicalSizeZ="{STEP_UM}"', told)
    (field,) = fields_of_stack(path, None, None)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], GREY[::-1] if falls else GREY)


def test_a_negative_step_beside_rising_positions_is_reported(tmp_path: Path) -> None:
    told = "".join(f'<Plane TheZ="{z}" TheC="0" TheT="0" PositionZ="{z}" PositionZUnit="µm"/>' for z in range(PLANES))
    path = write_ome(tmp_path / "a.ome.tif", GREY, f'{PIXELS} PhysicalSizeZ="-1"', told)
    (field,) = fields_of_stack(path, None, None)
    assert field.z_um[0] == 0
    assert any("is negative though PositionZ rises" in note for note in field.notes)


def field_of_view(seed: int, blur: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    tissue = gaussian_filter(np.random.default_rng(seed).normal(size=(192, 224)), 6 + blur)
    noise = np.random.default_rng(seed + 1000 + int(10 * blur)).normal(size=tissue.shape)
    return np.clip(180 + 40 * tissue / tissue.std() + noise, 0, 255).astype(np.uint8)[..., None]


def watched(planes: list[np.ndarray]) -> BrightnessRecorder:
    watch = BrightnessRecorder()
    assert len(list(watch.over(planes))) == len(planes)
    return watch


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), planes=st.integers(7, 11))
def test_places_are_no_planes(seed: int, planes: int) -> None:
    with pytest.raises(UserError, match="planes that show different places"):
        check_places(watched([field_of_view(seed + i, 0) for i in range(planes)]).planes, "a.tif")
    focal = [field_of_view(seed, 3 * abs(i - planes // 2)) for i in range(planes)]
    check_places(watched(focal).planes, "a.tif")
    odd = [*focal[: planes // 2], focal[planes // 2][::-1, ::-1], *focal[planes // 2 + 1 :]]
    with pytest.raises(UserError, match=f"plane {planes // 2 + 1} of {planes} shows another place"):
        check_places(watched(odd).planes, "a.tif")


def test_blank_planes_of_noise_are_no_places() -> None:
    noise = np.random.default_rng(1)
    blank = [np.clip(noise.normal(220, 4, (192, 224, 1)), 0, 255).astype(np.uint8) for _ in range(8)]
    check_places(watched(blank).planes, "a.tif")


@pytest.mark.parametrize("level", [0, 255])
def test_a_plane_that_was_not_recorded_is_refused(level: int) -> None:
    """A missing chunk of OME-Zarr reads as a black plane."""
    planes = [field_of_view(1, 3 * abs(i - 3)) for i in range(7)]
    planes[5] = np.full_like(planes[5], level)
    with pytest.raises(UserError, match=f"plane 6 of 7 with the single grey level {level}"):
        check_places(watched(planes).planes, "a.zarr")
    check_places(watched([planes[5]] * 7).planes, "a.zarr")


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("label", [None, "Channel {}"])
def test_channels_of_zarr_are_sorted_by_colour(tmp_path: Path, order: tuple[int, ...], label: str | None) -> None:
    colour = stack(3)
    named = [
        {"color": ("FF0000", "00FF00", "0000ff")[i], **({"label": label.format(i)} if label else {})} for i in order
    ]
    pixels = np.moveaxis(colour, -1, 0)[list(order)]
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=pixels.shape, chunks=(1, 1, *pixels.shape[-2:]), dtype="uint8")[:] = pixels
    axes = [
        {"name": "c", "type": "channel"},
        *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
    ]
    scale = [{"type": "scale", "scale": [1, STEP_UM, PIXEL_UM, PIXEL_UM]}]
    images = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
    group.attrs.update({"multiscales": images, "omero": {"channels": named}})
    (field,) = fields_of_stack(tmp_path / "a.zarr", None, None)
    assert np.array_equal(np.stack(list(field.planes())), colour)


def row(path: str) -> SlideRow:
    cells = {"slide": "S", "patient": "p", "sample": "T", "role": "train", "source": "stack", "path": path}
    return SlideRow.model_validate({**cells, "pixel_um": PIXEL_UM, "z_step_um": STEP_UM})


def test_a_stack_that_a_link_names_again_is_refused(tmp_path: Path) -> None:
    write_ome(tmp_path / "A.ome.tif", GREY)
    (tmp_path / "B.ome.tif").symlink_to(tmp_path / "A.ome.tif")
    with pytest.raises(UserError, match="the same file as"):
        find_fields(row("."), tmp_path)


def test_a_link_to_nowhere_is_reported(tmp_path: Path) -> None:
    write_ome(tmp_path / "A.ome.tif", GREY)
    (tmp_path / "B.ome.tif").symlink_to("moved.ome.tif")
    with pytest.raises(UserError, match=r"a link to moved\.ome\.tif, where nothing is"):
        find_fields(row("."), tmp_path)


def test_several_images_as_large_are_no_sharp_image(tmp_path: Path) -> None:
    """Which of them is meant, nobody says."""
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for page in GREY[:3]:
            tif.write(page, photometric="minisblack")
    with pytest.raises(UserError, match="3 images of 48×56 pixels, none of which is the largest"):
        flat_image(tmp_path / "a.ome.tif")
