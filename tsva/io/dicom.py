"""DICOM whole slides with focal planes, by pydicom: only the tiles that a region touches are decoded.

Attributes by DICOM PS3.3, C.8.12 (VL Whole Slide Microscopy): a file's tiles lie in a total pixel matrix, in full order
(optical paths, then focal planes, then rows, then columns) or each with a position of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tsva.errors import UserError
from tsva.io.dicom_frames import Frames, open_frames
from tsva.io.dicom_header import read_header, reading_dicom
from tsva.io.pixels import unreadable
from tsva.io.resolution import agreed_pixel_um
from tsva.io.stored import Objective, PlaneReader, StoredImage, channel_names
from tsva.io.tiff import check_decoded

MAGIC = b"DICM"
AFTER = 128
UM_PER_MM = 1000.0
MOST_TILES = 2**17
"""That a region may touch; the largest image read at once has as many of 32×32 pixels."""


@dataclass(frozen=True)
class Plane:
    """One focal plane: its file, its position (None: not said), and each tile's frame number by row and column."""

    path: Path
    z_um: float | None
    frames: dict[tuple[int, int], int]
    tile: tuple[int, int]


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, or a folder holds one."""
    if path.is_dir():
        return any(is_dicom(file) for file in sorted(path.iterdir()) if file.is_file())
    with path.open("rb") as file:
        file.seek(AFTER)
        return file.read(len(MAGIC)) == MAGIC


def dicom_image(path: Path) -> StoredImage:
    """The slide in a DICOM file, or in the files of a folder (levels and focal planes may be files of their own).

    Raises
    ------
    UserError
        If there is no whole slide in it, or of several ones.
    """
    where = str(path)
    with reading_dicom(where):
        finest = _finest(path)
        head = finest[0][1]
        if any(item.SeriesInstanceUID != head.SeriesInstanceUID for _, item in finest):
            raise ValueError("files of several series")
        planes = [plane for file, item in finest for plane in _planes(file, item)]
        height_um, width_um = (float(value) * UM_PER_MM for value in _measures(head).PixelSpacing)
        path_told = head.OpticalPathSequence[0] if "OpticalPathSequence" in head else {}
        na, power = path_told.get("ObjectiveLensNumericalAperture"), path_told.get("ObjectiveLensPower")
        positions = tuple(plane.z_um for plane in planes)
        known = tuple(z for z in positions if z is not None)
        return StoredImage(
            name=path.name.split(".")[0],
            where=where,
            format="DICOM",
            planes=len(planes),
            height_px=int(head.TotalPixelMatrixRows),
            width_px=int(head.TotalPixelMatrixColumns),
            channels=channel_names(int(head.SamplesPerPixel)),
            depth=int(head.BitsAllocated),
            bits=int(head.BitsStored),
            z_um=known if len(known) == len(positions) else None,
            pixel_um=agreed_pixel_um(where, width_um, height_um),
            objective=Objective(float(na) if na is not None else None, float(power) if power is not None else None),
            open=lambda: _open(where, planes),
        )


def _finest(path: Path) -> list[tuple[Path, Any]]:
    """Files of the finest level of the slide itself, without its label, overview and thumbnail."""
    files = [path] if path.is_file() else [f for f in sorted(path.iterdir()) if f.is_file() and is_dicom(f)]
    slides = []
    for file in files:
        head = read_header(file)
        if head is not None and not {"LABEL", "OVERVIEW", "THUMBNAIL"} & set(head.ImageType):
            slides.append((file, head))
    if not slides:
        raise UserError(
            str(path), got="DICOM files without a whole slide", wanted="VL Whole Slide Microscopy images",
            do="Mend the sheet's column path.",
        )  # fmt: skip
    widest = max(head.TotalPixelMatrixColumns for _, head in slides)
    return [(file, head) for file, head in slides if head.TotalPixelMatrixColumns == widest]


def _measures(head: Any) -> Any:
    return head.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def _planes(path: Path, head: Any) -> list[Plane]:
    """Focal planes of a file, in the order of its frames."""
    tile = int(head.Rows), int(head.Columns)
    if (
        "PerFrameFunctionalGroupsSequence" in head
        and "PlanePositionSlideSequence" in (head.PerFrameFunctionalGroupsSequence[0])
    ):
        return _placed(path, head, tile)
    down, across = (
        -(-int(n) // t) for n, t in zip((head.TotalPixelMatrixRows, head.TotalPixelMatrixColumns), tile, strict=True)
    )
    count = int(head.get("TotalPixelMatrixFocalPlanes", 1))
    if int(head.get("NumberOfFrames", 1)) != count * down * across:
        raise ValueError(f"{head.get('NumberOfFrames')} frames, not {count} planes of {down}×{across}")
    step_mm = _measures(head).get("SpacingBetweenSlices")
    origin = head.TotalPixelMatrixOriginSequence[0].get("ZOffsetInSlideCoordinateSystem")
    start = float(origin) if origin is not None else 0.0
    frames = [
        {(row, column): (plane * down + row) * across + column for row in range(down) for column in range(across)}
        for plane in range(count)
    ]
    if count == 1:
        return [Plane(path, float(origin) if origin is not None else None, frames[0], tile)]
    return [
        Plane(path, start + i * float(step_mm) * UM_PER_MM if step_mm else None, frames[i], tile) for i in range(count)
    ]


def _placed(path: Path, head: Any, tile: tuple[int, int]) -> list[Plane]:
    found: dict[float, dict[tuple[int, int], int]] = {}
    for number, group in enumerate(head.PerFrameFunctionalGroupsSequence):
        place = group.PlanePositionSlideSequence[0]
        # positions count from 1
        row, top = divmod(int(place.RowPositionInTotalImagePixelMatrix) - 1, tile[0])
        column, left = divmod(int(place.ColumnPositionInTotalImagePixelMatrix) - 1, tile[1])
        if top or left:
            raise ValueError(f"frame {number + 1} lies across the grid of tiles")
        # micrometres, unlike its neighbours along x and y
        found.setdefault(float(place.ZOffsetInSlideCoordinateSystem), {})[row, column] = number
    return [Plane(path, z, frames, tile) for z, frames in found.items()]


@contextmanager
def _open(where: str, planes: list[Plane]) -> Iterator[PlaneReader]:
    with ExitStack() as stack:
        with reading_dicom(where):
            files = {path: stack.enter_context(open_frames(path, where)) for path in {plane.path for plane in planes}}
        yield DicomReader(planes, files)


class DicomReader:
    """A `PlaneReader` of focal planes, from the open files that they lie in."""

    def __init__(self, planes: list[Plane], files: Mapping[Path, Frames]) -> None:
        self._planes, self._files = planes, files

    def read(self, plane: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels; white where the scanner took no picture."""
        frames, (tall, wide) = self._files[self._planes[plane].path], self._planes[plane].tile
        check_decoded(height, width, frames.where)
        if (height // tall + 1) * (width // wide + 1) > MOST_TILES:
            raise unreadable(frames.where, f"tiles of {tall}×{wide} pixels")
        out = np.full((height, width, frames.channels), frames.white, frames.dtype)
        for row in range(top // tall, -(-(top + height) // tall)):
            for column in range(left // wide, -(-(left + width) // wide)):
                number = self._planes[plane].frames.get((row, column))
                if number is None:
                    continue
                tile, y, x = frames.decoded(number), row * tall, column * wide
                first, last = max(y, top), min(y + tall, top + height)
                begin, end = max(x, left), min(x + wide, left + width)
                out[first - top : last - top, begin - left : end - left] = tile[
                    first - y : last - y, begin - x : end - x
                ]
        return out
