"""Leica LIF and Nikon ND2: pixels, positions and sizes come back; what is not sure is refused."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from microscope_files import PIXEL_UM, PLANES, STEP_UM, stack
from vendor_files import write_lif, write_nd2

from tsva.errors import UserError
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack

GREY, COLOUR = stack(), stack(3)
PIXEL_M, STEP_M = PIXEL_UM * 1e-6, STEP_UM * 1e-6


@pytest.fixture(autouse=True)
def _libraries() -> None:
    pytest.importorskip("liffile", reason="liffile (extra lif) is not installed")
    pytest.importorskip("nd2", reason="nd2 (extra nd2) is not installed")


def all_planes(path: Path, bits: int | None = None) -> np.ndarray:
    (field,) = fields_of_stack(path, None, None, bits)
    return np.stack(list(field.planes()))


@pytest.mark.parametrize(("pixels", "tags"), [(GREY, (0,)), (COLOUR, (1, 2, 3)), (COLOUR[..., ::-1], (3, 2, 1))])
@pytest.mark.parametrize("falls", [False, True])
def test_leica(tmp_path: Path, pixels: np.ndarray, tags: tuple[int, ...], *, falls: bool) -> None:
    path = write_lif(tmp_path / "a.lif", pixels, PIXEL_M, -STEP_M if falls else STEP_M, tags)
    (image,) = stored_images(path)
    assert (image.format, image.planes, image.depth, image.bits) == ("LIF", PLANES, 8, 8)
    assert (image.objective.na, image.objective.magnification) == (0.75, 20)
    (field,) = fields_of_stack(path, None, None)
    assert field.pixel_um == pytest.approx(PIXEL_UM)
    assert np.diff(field.z_um) == pytest.approx(STEP_UM)
    wanted = GREY if tags == (0,) else COLOUR
    assert np.array_equal(all_planes(path), wanted[::-1] if falls else wanted)
    assert np.array_equal(field.region(2, 3, 5, 20, 30), np.stack(list(field.planes()))[2, 3:23, 5:35])


def test_leicas_samples_in_another_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="samples of green, red, blue"):
        stored_images(write_lif(tmp_path / "a.lif", COLOUR, PIXEL_M, STEP_M, (2, 1, 3)))


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
def test_nikon(tmp_path: Path, depth: int, *, top_down: bool) -> None:
    pixels = GREY[..., 0].astype(np.uint16) * 16 if depth == 16 else GREY[..., 0]
    path = write_nd2(tmp_path / "a.nd2", pixels, PIXEL_UM, STEP_UM, top_down=top_down)
    (image,) = stored_images(path)
    assert (image.format, image.planes, image.depth, image.bits) == ("ND2", PLANES, depth, 12 if depth == 16 else 8)
    assert (image.objective.na, image.objective.magnification) == (0.75, 20)
    (field,) = fields_of_stack(path, None, None)
    assert field.pixel_um == pytest.approx(PIXEL_UM)
    assert np.diff(field.z_um) == pytest.approx(STEP_UM)
    found = all_planes(path).astype(int)
    assert np.abs((found[::-1] if top_down else found) - GREY).max() <= (depth == 16)


def test_nikons_colours_and_sizes_that_are_not_calibrated(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"got an ND2 file with axis S of 3; .*check its colours"):
        stored_images(write_nd2(tmp_path / "c.nd2", COLOUR, PIXEL_UM, STEP_UM))
    (image,) = stored_images(write_nd2(tmp_path / "a.nd2", GREY[..., 0], 0.0, STEP_UM))
    assert image.pixel_um is None


def test_a_frame_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", GREY[..., 0], PIXEL_UM, STEP_UM)
    data = path.read_bytes()
    name = b"ImageDataSeq|4!"
    place = data.rindex(name)
    path.write_bytes(data[:place] + b"ImageDataSeq|9!" + data[place + len(name) :])
    with pytest.raises(UserError, match="frame 5 is missing"):
        all_planes(path)


@pytest.mark.parametrize("write", [write_lif, write_nd2])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_files_that_were_cut_off(tmp_path: Path, write: object, share: float) -> None:
    path = _written(tmp_path, write)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"can't be read to its end|no image"):
        all_planes(path)


@pytest.mark.parametrize("write", [write_lif, write_nd2])
def test_scrambled_files_end_in_no_traceback(tmp_path: Path, write: object) -> None:
    data = _written(tmp_path, write).read_bytes()
    draw, path = random.Random(1), tmp_path / "scrambled"
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(draw.choice((1, 4, 30))):
            changed[draw.randrange(min(len(data), 30_000))] = draw.randrange(256)
        path.write_bytes(bytes(changed))
        try:
            planes = all_planes(path)
        except UserError:
            continue
        assert planes.dtype == np.uint8


def _written(folder: Path, write: object) -> Path:
    if write is write_lif:
        return write_lif(folder / "a.lif", GREY, PIXEL_M, STEP_M)
    return write_nd2(folder / "a.nd2", GREY[..., 0], PIXEL_UM, STEP_UM)


@pytest.mark.parametrize(("write", "module", "extra"), [(write_lif, "liffile", "lif"), (write_nd2, "nd2", "nd2")])
def test_missing_libraries_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object, module: str, extra: str
) -> None:
    path = _written(tmp_path, write)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf"pip install 'tsva\[{extra}\]'"):
        stored_images(path)
