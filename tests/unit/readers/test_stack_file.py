"""The project's own stacks come back exactly, and other programs read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.readers.ome import read_ome
from tsva.readers.stack_file import read_stack, write_stack
from tsva.readers.stacks import fields_of_stack

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    planes=SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape)),
    z_um=st.lists(st.floats(-1e4, 1e4), min_size=5, max_size=5, unique=True),
    pixel_um=st.floats(0.01, 20),
)
def test_round_trip_is_exact(tmp_path: Path, planes: np.ndarray, z_um: list[float], pixel_um: float) -> None:
    stack = Stack(planes, np.sort(z_um)[: len(planes)], pixel_um)
    write_stack(tmp_path / "s.ome.tif", stack)
    back = read_stack(tmp_path / "s.ome.tif")
    assert back.planes.dtype == np.uint8
    assert np.array_equal(back.planes, planes)
    assert back.z_um.tolist() == stack.z_um.tolist()
    assert back.pixel_um == pixel_um


def test_the_same_stack_is_the_same_file(tmp_path: Path, planes: np.ndarray) -> None:
    stack = Stack(planes, np.arange(5) / 2, 0.345)
    write_stack(tmp_path / "a.ome.tif", stack)
    write_stack(tmp_path / "b.ome.tif", stack)
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()


def test_other_readers_find_pixels_step_and_pixel_size(tmp_path: Path, planes: np.ndarray) -> None:
    path = tmp_path / "s.ome.tif"
    write_stack(path, Stack(planes, np.arange(5) * 0.5 - 1, 0.345))
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "ZYXS"
        assert np.array_equal(tif.asarray(), planes)
        (image,) = read_ome(tif.ome_metadata)
        assert (image.z_step_um, image.pixel_um) == (0.5, 0.345)
        assert image.position_z_um == (-1, -0.5, 0, 0.5, 1)
        # pixels per centimetre, for programs that know no OME: 10,000 µm / 0.345 µm
        count, unit = tif.pages[0].tags["XResolution"].value
        assert count / unit == pytest.approx(28985.507, rel=1e-6)
    (field,) = fields_of_stack(path, None, None)
    assert field.z_um == (-1, -0.5, 0, 0.5, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("z_um", [(-1, -0.5, 0, 0.5, 1), (-1, 0, 0.25, 1, 4)])
def test_the_header_is_ome_xml(tmp_path: Path, planes: np.ndarray, z_um: tuple[float, ...], channels: int) -> None:
    """ome-types, made of the OME schema, finds all there is to say."""
    ome_types = pytest.importorskip("ome_types", reason="ome-types (extra dev) is not installed")
    header = _header(tmp_path, Stack(planes[..., :channels], np.array(z_um, float), 0.345))
    (image,) = ome_types.from_xml(header).images
    pixels = image.pixels
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (0.345, "µm")
    assert (pixels.physical_size_y, pixels.physical_size_y_unit.value) == (0.345, "µm")
    assert (pixels.physical_size_z, pixels.physical_size_z_unit.value) == (0.5 if z_um[1] == -0.5 else None, "µm")
    assert (pixels.size_z, pixels.size_c, pixels.channels[0].samples_per_pixel) == (5, channels, channels)
    assert [(plane.the_z, plane.position_z) for plane in pixels.planes] == list(enumerate(z_um))
    assert {plane.position_z_unit.value for plane in pixels.planes} == {"µm"}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 5])
def test_the_header_is_valid_by_the_schema(tmp_path: Path, planes: np.ndarray, channels: int, count: int) -> None:
    ome_types = pytest.importorskip("ome_types", reason="ome-types (extra dev) is not installed")
    pytest.importorskip("lxml", reason="lxml (extra dev) is not installed")
    header = _header(tmp_path, Stack(planes[:count, ..., :channels], np.arange(float(count)), 0.345))
    ome_types.from_xml(header, validate=True)
    # the schema is looked at: a plane without its place in time is refused
    with pytest.raises(ValueError, match="TheT"):
        ome_types.from_xml(header.replace(' TheT="0"', "", 1), validate=True)


def _header(folder: Path, stack: Stack) -> str:
    write_stack(folder / "s.ome.tif", stack)
    with tifffile.TiffFile(folder / "s.ome.tif") as tif:
        return tif.ome_metadata


def test_irregular_stacks_claim_no_step(tmp_path: Path, planes: np.ndarray) -> None:
    write_stack(tmp_path / "s.ome.tif", Stack(planes[:3], np.array([0, 1, 3.0]), 0.345))
    with tifffile.TiffFile(tmp_path / "s.ome.tif") as tif:
        assert "PhysicalSizeZ" not in tif.ome_metadata


def test_planes_are_mapped_and_read_only(tmp_path: Path, planes: np.ndarray) -> None:
    write_stack(tmp_path / "s.ome.tif", Stack(planes, np.arange(5.0), 0.345))
    with pytest.raises(ValueError, match="read-only"):
        read_stack(tmp_path / "s.ome.tif").planes[0] = 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_stack_is_named(tmp_path: Path, planes: np.ndarray, share: float) -> None:
    path = tmp_path / "s.ome.tif"
    write_stack(path, Stack(planes, np.arange(5.0), 0.345))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"s\.ome\.tif: got a file that can't be read to its end"):
        read_stack(path)


def test_files_of_others_and_missing_ones_are_named(tmp_path: Path, planes: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "t.tif", planes, photometric="rgb")
    with pytest.raises(UserError, match=r"t\.tif.*did not write.*Delete it"):
        read_stack(tmp_path / "t.tif")
    with pytest.raises(UserError, match=r"gone\.tif: got no such file"):
        read_stack(tmp_path / "gone.tif")
