"""Folders of planes, and the sheet's row that leads to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.stack_file import write_stack
from tsva.settings.sheet import SlideRow


def _row(**cells: object) -> SlideRow:
    return SlideRow.model_validate(
        {"slide": "S", "patient": "p", "sample": "Sample1", "role": "train", "source": "planes", **cells}
    )


def test_signs_order_and_fields(tmp_path: Path, planes: np.ndarray) -> None:
    """Names sort -1, -2, 0, 1, 2 as text; z sorts them, minus is below, and fields are kept apart."""
    (tmp_path / "d").mkdir()
    for z, plane in zip([-2, -1, 0, 1, 2], planes, strict=True):
        Image.fromarray(plane).save(tmp_path / f"d/tile 1_z{z}um.png")
        Image.fromarray(255 - plane).save(tmp_path / f"d/tile 2_z{z * 1.5:+}um.png")
    (tmp_path / "d/notes.txt").write_text("not a plane")
    first, second = find_fields(_row(path="d", pattern="{field}_z{z}um.png", pixel_um=0.5), tmp_path)
    assert (first.name, second.name) == ("tile_1", "tile_2")
    assert (first.z_um, second.z_um) == ((-2, -1, 0, 1, 2), (-3, -1.5, 0, 1.5, 3))
    assert first.plane_names[0] == "tile 1_z-2um.png"
    assert np.array_equal(np.stack(list(first.planes())), planes)
    assert np.array_equal(np.stack(list(second.planes())), 255 - planes)


def test_folders_may_be_fields(tmp_path: Path, planes: np.ndarray) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number, plane in enumerate(planes):
            Image.fromarray(plane).save(tmp_path / f"{name}/{number:03d}.png")
    row = _row(path=".", pattern="{field}/{z_index}.png", z_step_um=0.5, pixel_um=0.5)
    assert [(field.name, field.z_um[-1]) for field in find_fields(row, tmp_path)] == [("a", 2), ("b", 2)]


def test_without_a_field_the_slide_names_it(tmp_path: Path, planes: np.ndarray) -> None:
    Image.fromarray(planes[0]).save(tmp_path / "z500.png")
    (field,) = find_fields(_row(path=".", pattern="z{z_nm}.png", pixel_um=0.5), tmp_path)
    assert (field.name, field.z_um) == ("S", (0.5,))


def test_tiff_planes_know_their_pixel_size(tmp_path: Path, planes: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "z0.tif",
        planes[0],
        photometric="rgb",
        metadata=None,
        resolution=(1e4 / 0.25, 1e4 / 0.25),
        resolutionunit="CENTIMETER",
    )
    (field,) = find_fields(_row(path=".", pattern="z{z}.tif"), tmp_path)
    assert field.pixel_um == pytest.approx(0.25)


def test_what_is_missing_is_named(tmp_path: Path, planes: np.ndarray) -> None:
    with pytest.raises(UserError, match="got no such folder; wanted a folder of planes"):
        find_fields(_row(path="gone", pattern="z{z}.png"), tmp_path)
    with pytest.raises(UserError, match=r"no file whose name fits 'z\{z\}.png', but no file at all"):
        find_fields(_row(path=".", pattern="z{z}.png"), tmp_path)
    Image.fromarray(planes[0]).save(tmp_path / "Z0.png")
    with pytest.raises(UserError, match=r"no file whose name fits 'p\{z\}.png', but Z0.png; .*Correct the pattern"):
        find_fields(_row(path=".", pattern="p{z}.png"), tmp_path)
    with pytest.raises(UserError, match=r"Z0.png: got no pixel size .* column pixel_um"):
        find_fields(_row(path=".", pattern="Z{z}.png"), tmp_path)


def test_a_damaged_plane_is_named_when_it_is_read(tmp_path: Path, planes: np.ndarray) -> None:
    for z, plane in enumerate(planes):
        Image.fromarray(plane).save(tmp_path / f"z{z}.png")
    (tmp_path / "z3.png").write_bytes((tmp_path / "z3.png").read_bytes()[:500])
    (field,) = find_fields(_row(path=".", pattern="z{z}.png", pixel_um=0.5), tmp_path)
    with pytest.raises(UserError, match=r"z3\.png: got a file that can't be read to its end"):
        list(field.planes())


def test_stacks_by_pattern_or_folder(tmp_path: Path, planes: np.ndarray) -> None:
    (tmp_path / "d").mkdir()
    for name in ("b", "a"):
        write_stack(tmp_path / f"d/{name}.ome.tif", Stack(planes, np.arange(5) / 2, 0.345))
    for path in ("d/*.ome.tif", "d"):
        fields = find_fields(_row(source="stack", path=path), tmp_path)
        assert [field.name for field in fields] == ["a", "b"]
    (one,) = find_fields(_row(source="stack", path="d/a.ome.tif"), tmp_path)
    assert one.z_um == (0, 0.5, 1, 1.5, 2)


def test_stacks_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"slide S, column path: got .*none\*\.tif, where nothing is"):
        find_fields(_row(source="stack", path="none*.tif"), tmp_path)
    with pytest.raises(UserError, match="got a folder without files of z-stacks"):
        find_fields(_row(source="stack", path="."), tmp_path)


def test_two_fields_of_one_name_are_refused(tmp_path: Path, planes: np.ndarray) -> None:
    for name in ("a b", "a+b"):
        write_stack(tmp_path / f"{name}.ome.tif", Stack(planes, np.arange(5) / 2, 0.345))
    with pytest.raises(UserError, match="got a second field called a_b"):
        find_fields(_row(source="stack", path="*.tif"), tmp_path)


def test_the_real_focal_stack(shared: Path) -> None:
    """Eleven planes at irregular signed heights, found by the names that their microscope's program gave them."""
    row = _row(path="zstack", pattern="adjustustedFocus_tile__{field}_zoff{z}um.tiff", pixel_um=0.5)
    (field,) = find_fields(row, shared / "data")
    assert (field.name, len(field.z_um), field.z_um[0], field.z_um[-1]) == ("ix000_iy000", 11, -46.3666, 40.5449)
    assert next(field.planes()).shape == (1200, 1920, 3)
