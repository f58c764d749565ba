"""Where the tiles of each focal plane lie in the files of a DICOM whole slide.

Attributes by DICOM PS3.3, C.8.12 (VL Whole Slide Microscopy) and C.7.6.16 (multi-frame images): an image's tiles lie in
a total pixel matrix, in full order (optical paths, then focal planes, then rows, then columns) or each with a position
of its own; an image that was too large for one file is a concatenation of several.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsva.errors import UserError

UM_PER_MM = 1000.0
Frame = tuple[Path, int]
"""A file, and the number of a frame in it."""
Tiles = dict[tuple[int, int], Frame]
"""Frames by row and column."""


@dataclass(frozen=True)
class Plane:
    """One focal plane: its position (None: not said), its tiles, and their height and width."""

    z_um: float | None
    frames: Tiles
    tile: tuple[int, int]


def measures(head: Any) -> Any:
    """Pixel spacing and distance of planes, in millimetres."""
    return head.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def planes_of(files: list[tuple[Path, Any]]) -> list[Plane]:
    """Focal planes of the files of one level, image by image, in the order of their frames.

    Parameters
    ----------
    files : list of (Path, Dataset)
        With the headers.

    Raises
    ------
    ValueError
        If frames are missing, too many, or lie across the grid of tiles.
    """

    images: dict[str, list[tuple[Path, Any]]] = {}
    for path, head in files:
        images.setdefault(str(head.get("ConcatenationUID", path)), []).append((path, head))
    return [plane for parts in images.values() for plane in _of_image(sorted(parts, key=lambda part: _start(part[1])))]


def _start(head: Any) -> int:
    """How many frames of the image are in the files before."""
    return int(head.get("ConcatenationFrameOffsetNumber", 0))


def check_alone(path: Path, head: Any) -> None:
    """Refuse one file of several that hold an image.

    Raises
    ------
    UserError
        Asks for the folder.
    """
    if "ConcatenationUID" in head and head.get("InConcatenationTotalNumber") != 1:
        raise UserError(
            str(path),
            got="a part of a slide that is in several files",
            wanted="all of them",
            do="Give the folder that they are in.",
        )


def _of_image(parts: list[tuple[Path, Any]]) -> list[Plane]:
    head = parts[0][1]
    tile = int(head.Rows), int(head.Columns)
    frames: list[Frame] = []
    for path, part in parts:
        if _start(part) != len(frames):
            raise ValueError(f"frames from {len(frames) + 1} on are in a file that is missing")
        frames += [(path, number) for number in range(int(part.get("NumberOfFrames", 1)))]
    if len(parts) != int(head.get("InConcatenationTotalNumber", len(parts))):
        raise ValueError(f"{len(parts)} of {head.InConcatenationTotalNumber} files")
    groups = [group for _, part in parts for group in part.get("PerFrameFunctionalGroupsSequence", ())]
    if groups and "PlanePositionSlideSequence" in groups[0]:
        return _placed(groups, frames, tile)
    return _in_full_order(head, frames, tile)


def _in_full_order(head: Any, frames: list[Frame], tile: tuple[int, int]) -> list[Plane]:
    down, across = (
        -(-int(n) // t) for n, t in zip((head.TotalPixelMatrixRows, head.TotalPixelMatrixColumns), tile, strict=True)
    )
    count = int(head.get("TotalPixelMatrixFocalPlanes", 1))
    if len(frames) != count * down * across:
        raise ValueError(f"{len(frames)} frames, not {count} planes of {down}×{across}")
    step_mm = measures(head).get("SpacingBetweenSlices")
    origin = head.TotalPixelMatrixOriginSequence[0].get("ZOffsetInSlideCoordinateSystem")
    start = float(origin) if origin is not None else 0.0

    def z_um(plane: int) -> float | None:
        if count == 1:
            return float(origin) if origin is not None else None
        return start + plane * float(step_mm) * UM_PER_MM if step_mm else None

    return [
        Plane(
            z_um(plane),
            {
                (row, column): frames[(plane * down + row) * across + column]
                for row in range(down)
                for column in range(across)
            },
            tile,
        )
        for plane in range(count)
    ]


def _placed(groups: list[Any], frames: list[Frame], tile: tuple[int, int]) -> list[Plane]:
    found: dict[float, Tiles] = {}
    for number, (group, frame) in enumerate(zip(groups, frames, strict=True), start=1):
        place = group.PlanePositionSlideSequence[0]
        # positions count from 1
        row, top = divmod(int(place.RowPositionInTotalImagePixelMatrix) - 1, tile[0])
        column, left = divmod(int(place.ColumnPositionInTotalImagePixelMatrix) - 1, tile[1])
        if top or left:
            raise ValueError(f"frame {number} lies across the grid of tiles")
        # micrometres, unlike its neighbours along x and y
        tiles = found.setdefault(float(place.ZOffsetInSlideCoordinateSystem), {})
        if (row, column) in tiles:
            raise ValueError(f"frame {number} lies where another one does")
        tiles[row, column] = frame
    return [Plane(z, tiles, tile) for z, tiles in found.items()]
