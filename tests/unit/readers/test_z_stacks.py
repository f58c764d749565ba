"""z-stack files that other programs write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tsva.errors import UserError
from tsva.readers.ome import read_ome
from tsva.readers.stacks import fields_of_stack


def _ome(path: Path, pixels: np.ndarray, axes: str, **metadata: object) -> None:
    tifffile.imwrite(
        path,
        pixels,
        ome=True,
        photometric="rgb" if axes.endswith("S") else "minisblack",
        metadata={"axes": axes, **metadata},
    )


def _positions(values: list[float], unit: str | None) -> dict[str, object]:
    units = {"PositionZUnit": [unit] * len(values)} if unit else {}
    return {"Plane": {"PositionZ": values, **units}}


SIZE = {"PhysicalSizeX": 0.345, "PhysicalSizeXUnit": "µm"}


@pytest.mark.parametrize(
    ("unit", "values"),
    [("µm", [-1.0, -0.5, 0, 0.5, 1]), ("nm", [-1000.0, -500, 0, 500, 1000]), ("mm", [-1e-3, -5e-4, 0, 5e-4, 1e-3])],
)
def test_positions_and_sizes_in_any_unit_of_length(
    tmp_path: Path, planes: np.ndarray, unit: str, values: list[float]
) -> None:
    per_um = values[-1]
    _ome(
        tmp_path / "s.ome.tif",
        planes,
        "ZYXS",
        **_positions(values, unit),
        PhysicalSizeX=0.345 * per_um,
        PhysicalSizeXUnit=unit,
    )
    (field,) = fields_of_stack(tmp_path / "s.ome.tif", None, None)
    assert field.z_um == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=1e-9)
    assert field.pixel_um == pytest.approx(0.345, rel=1e-9)
    assert np.array_equal(np.stack(list(field.planes())), planes)


def test_falling_positions_are_turned_with_their_planes(tmp_path: Path, planes: np.ndarray) -> None:
    _ome(tmp_path / "s.ome.tif", planes, "ZYXS", **SIZE, **_positions([2.0, 1.0, 0.0, -1.0, -2.0], "µm"))
    (field,) = fields_of_stack(tmp_path / "s.ome.tif", None, None)
    assert field.z_um == (-2, -1, 0, 1, 2)
    assert field.plane_names[0] == "plane 5"
    assert np.array_equal(np.stack(list(field.planes())), planes[::-1])


@pytest.mark.parametrize("told", [{}, _positions([0.0] * 5, "µm"), _positions([7.0, 8, 9, 10, 11], None)])
def test_without_positions_the_step_counts(tmp_path: Path, planes: np.ndarray, told: dict) -> None:
    """A stage that wasn't asked says 0 throughout; OME's default unit, "reference frame", is no length."""
    _ome(tmp_path / "s.ome.tif", planes, "ZYXS", **SIZE, **told, PhysicalSizeZ=500.0, PhysicalSizeZUnit="nm")
    (field,) = fields_of_stack(tmp_path / "s.ome.tif", None, None)
    assert field.z_um == (0, 0.5, 1, 1.5, 2)


def test_the_sheet_wins(tmp_path: Path, planes: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    _ome(tmp_path / "s.ome.tif", planes, "ZYXS", **SIZE, **_positions([0.0, 1, 2, 3, 4], "µm"))
    (field,) = fields_of_stack(tmp_path / "s.ome.tif", 0.5, 0.25)
    assert (field.pixel_um, field.z_um) == (0.5, (0, 0.25, 0.5, 0.75, 1))
    assert "the sheet's pixel_um 0.5 is taken, not the file's 0.345" in caplog.text


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX", "TZCYX"])
def test_channels_that_are_pages_are_put_together(tmp_path: Path, planes: np.ndarray, axes: str) -> None:
    order = {name: index for index, name in enumerate("ZYXC")}
    pixels = np.transpose(planes, [order[name] for name in axes if name != "T"])
    _ome(tmp_path / "s.ome.tif", pixels[None] if "T" in axes else pixels, axes, **SIZE)
    (field,) = fields_of_stack(tmp_path / "s.ome.tif", None, 1.0)
    assert np.array_equal(np.stack(list(field.planes())), planes)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw", "tile": (16, 16)}])
def test_plain_pages(tmp_path: Path, planes: np.ndarray, options: dict) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for plane in planes:
            tif.write(
                plane,
                photometric="rgb",
                metadata=None,
                resolution=(1e4 / 0.345, 1e4 / 0.345),
                resolutionunit="CENTIMETER",
                **options,
            )
    (field,) = fields_of_stack(tmp_path / "s.tif", None, 0.5)
    assert (field.name, field.z_um) == ("s", (0, 0.5, 1, 1.5, 2))
    assert field.pixel_um == pytest.approx(0.345, rel=1e-6)
    assert np.array_equal(np.stack(list(field.planes())), planes)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_hyperstacks_of_imagej(tmp_path: Path, planes: np.ndarray, unit: str) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif",
        planes,
        imagej=True,
        resolution=(1 / 0.345, 1 / 0.345),
        metadata={"axes": "ZYXS", "spacing": 0.5, "unit": unit},
    )
    (field,) = fields_of_stack(tmp_path / "s.tif", None, None)
    assert field.z_um == (0, 0.5, 1, 1.5, 2)
    assert field.pixel_um == pytest.approx(0.345, rel=1e-6)
    assert np.array_equal(np.stack(list(field.planes())), planes)


def test_grey_stacks_stay_grey(tmp_path: Path, planes: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "s.tif", planes[..., 0], photometric="minisblack")
    (field,) = fields_of_stack(tmp_path / "s.tif", 0.345, 0.5)
    assert np.array_equal(np.stack(list(field.planes())), planes[..., :1])


def test_each_image_of_an_ome_file_is_a_field(tmp_path: Path, planes: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as tif:
        for pixels, step in ((planes, 0.5), (planes[::-1], 0.25)):
            tif.write(pixels, photometric="rgb", metadata={"axes": "ZYXS", **SIZE, "PhysicalSizeZ": step})
    first, second = fields_of_stack(tmp_path / "two.ome.tif", None, None)
    assert (first.name, second.name) == ("two_0", "two_1")
    assert (first.z_um[1], second.z_um[1]) == (0.5, 0.25)
    assert np.array_equal(next(second.planes()), planes[-1])


def test_what_a_stack_does_not_say_is_asked_for_by_column(tmp_path: Path, planes: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "s.tif", planes, photometric="rgb", resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(UserError, match=r"s\.tif: got no pixel size in the file; .*column pixel_um"):
        fields_of_stack(tmp_path / "s.tif", None, 0.5)
    with pytest.raises(UserError, match=r"s\.tif: got no positions of the planes in the file; .*column z_step_um"):
        fields_of_stack(tmp_path / "s.tif", 0.345, None)


def test_planes_of_different_size(tmp_path: Path, planes: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        tif.write(planes[0], photometric="rgb", metadata=None)
        tif.write(planes[1, :-1], photometric="rgb", metadata=None)
    with pytest.raises(UserError, match=r"s\.tif: got 2 planes of different sizes or kinds; wanted a z-stack"):
        fields_of_stack(tmp_path / "s.tif", 0.345, 0.5)


def test_a_time_series_is_no_z_stack(tmp_path: Path, planes: np.ndarray) -> None:
    _ome(tmp_path / "s.ome.tif", planes, "TYXS", **SIZE)
    with pytest.raises(UserError, match=r"got axes T.* wanted planes along z alone"):
        fields_of_stack(tmp_path / "s.ome.tif", None, 0.5)


def test_a_single_plane_is_no_z_stack(tmp_path: Path, planes: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "s.tif", planes[0], photometric="rgb")
    with pytest.raises(UserError, match=r"s\.tif: got a single plane; wanted a z-stack"):
        fields_of_stack(tmp_path / "s.tif", 0.345, 0.5)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_bit_depths_are_refused_before_reading(tmp_path: Path, planes: np.ndarray, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "s.tif", planes[..., 0].astype(dtype), photometric="minisblack")
    (field,) = fields_of_stack(tmp_path / "s.tif", 0.345, 0.5)
    with pytest.raises(UserError, match=rf"{np.dtype(dtype).itemsize * 8} bits per channel .*wanted 8 bits"):
        next(field.planes())


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["pages", "compressed", "imagej", "ome"])
def test_truncated_stacks_are_never_shorter_stacks(tmp_path: Path, planes: np.ndarray, kind: str, share: float) -> None:
    path = tmp_path / "s.tif"
    if kind == "ome":
        _ome(path, planes, "ZYXS", **SIZE)
    else:
        options = {"pages": {}, "compressed": {"compression": "zlib"}, "imagej": {"imagej": True}}[kind]
        tifffile.imwrite(path, planes, **({} if kind == "imagej" else {"photometric": "rgb"}), **options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"s\.tif: got a file that can't be read to its end"):
        fields_of_stack(path, 0.345, 0.5)


def test_pages_that_the_header_promises_have_to_be_there(tmp_path: Path, planes: np.ndarray) -> None:
    path = tmp_path / "s.ome.tif"
    _ome(path, planes, "ZYXS", **SIZE)
    path.write_bytes(
        path.read_bytes().replace(b'SizeZ="5"', b'SizeZ="9"').replace(b'PlaneCount="5"', b'PlaneCount="9"')
    )
    with pytest.raises(UserError, match=r"s\.ome\.tif: got a file that can't be read to its end"):
        fields = fields_of_stack(path, None, 0.5)
        list(fields[0].planes())


def test_a_damaged_header_is_no_header() -> None:
    with pytest.raises(ValueError, match="OME header is damaged"):
        read_ome("<OME><Image>")
