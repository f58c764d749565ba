"""DICOM whole slides with focal planes, by pydicom: only the tiles that a region touches are decoded.

Attributes by DICOM PS3.3, C.8.12 (VL Whole Slide Microscopy) and C.7.6.16 (multi-frame images): an image's tiles lie in
a total pixel matrix, in full order (optical paths, then focal planes, then rows, then columns) or each with a position
of its own; an image that was too large for one file is a concatenation of several. Each frame is decoded alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from tsva.errors import UserError
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.readers.registry import is_dicom, stem_of
from tsva.readers.scale import PixelSizeEntry, heights, pixel_size
from tsva.readers.stored import MOST_PIECES, Objective, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import check_decoded, reading

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
COUNTS = (
    "Rows",
    "Columns",
    "TotalPixelMatrixRows",
    "TotalPixelMatrixColumns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
)
"""What has to be there and positive."""
LEAST_FRAME_BYTES = 8
"""That a compressed frame takes: its item's tag and length (PS3.5, A.4)."""


@contextmanager
def reading_dicom(where: str) -> Iterator[None]:
    """Report what pydicom raises within the block as a damaged file.

    Raises
    ------
    UserError
        Names the file.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    with reading(where):
        try:
            yield
        except (BytesLengthException, InvalidDicomError) as error:
            raise ValueError(str(error)) from None


def read_header(path: Path) -> Any:
    """The header of a whole slide, as a pydicom data set without its pixels; None for other kinds of DICOM.

    Raises
    ------
    ValueError
        If it is compressed as a whole, or its sizes are none, or larger than the file. (pydicom's own errors too.)
    """
    import pydicom
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID

    syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    if not isinstance(syntax, UID):
        raise ValueError("no word on how it is stored (TransferSyntaxUID)")
    # a deflated header would be unfolded without a limit
    if syntax.is_deflated:
        raise ValueError("a file that is compressed as a whole")
    head = pydicom.dcmread(path, stop_before_pixels=True)
    if head.get("SOPClassUID") != WHOLE_SLIDE:
        return None
    for name in COUNTS:
        value = head.get(name)
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is {value!r}")
    if head.BitsAllocated not in (8, 16) or head.BitsStored > head.BitsAllocated:
        raise ValueError(f"{head.BitsStored} of {head.BitsAllocated} bits")
    bits = head.Rows * head.Columns * head.SamplesPerPixel * head.BitsAllocated
    least = LEAST_FRAME_BYTES if head.file_meta.TransferSyntaxUID.is_compressed else math.ceil(bits / 8)
    frames, size = int(head.get("NumberOfFrames", 1)), path.stat().st_size
    if not 0 < frames <= size // least:
        raise ValueError(f"{frames} frames of {head.Rows}×{head.Columns} pixels in {size} bytes")
    return head


EXPLICIT_HEAD, IMPLICIT_HEAD = 12, 8
"""Bytes before the pixels: tag and length, and between them a type where types are explicit."""


@contextmanager
def open_frames(path: Path, where: str) -> Iterator[Frames]:
    """Open a file that holds pixels."""
    with path.open("rb") as file:
        yield Frames(file, where)


class Frames:
    """The frames of an open file.

    Attributes
    ----------
    where : str
        The slide, for messages.
    channels : int
        1 or 3.
    dtype : dtype
        uint8 or uint16.
    white : int
        The largest value that the bits in use hold.

    Raises
    ------
    UserError
        If a frame is larger than can be decoded at once, or of a kind that can't be.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        import pydicom
        from pydicom.pixels import as_pixel_options, get_decoder

        self.where, self._file = where, file
        with reading_dicom(where):
            head = pydicom.dcmread(file, stop_before_pixels=True)
            syntax = self._syntax = head.file_meta.TransferSyntaxUID
            self._options: dict[str, Any] = {**as_pixel_options(head), "pixel_keyword": "PixelData"}
            self._decoder = get_decoder(syntax)
            file.seek(IMPLICIT_HEAD if syntax.is_implicit_VR else EXPLICIT_HEAD, 1)
            self._start = file.tell()
            self.channels = 1 if head.SamplesPerPixel == 1 else 3
            self.dtype = np.dtype(f"u{int(head.BitsAllocated) // 8}")
            self.white = (1 << int(head.BitsStored)) - 1
            size = int(head.Rows), int(head.Columns)
        check_decoded(*size, where)

    def decoded(self, frame: int) -> np.ndarray:
        """One frame, (Y, X, C) uint8 or uint16; the other ones are left in the file.

        Raises
        ------
        UserError
            If it can't be decoded.
        """
        with reading_dicom(self.where):
            self._file.seek(self._start)
            if self._syntax.is_encapsulated:
                pixels = self._decompressed(frame)
            else:
                pixels = self._decoder.as_array(self._file, index=frame, validate=True, **self._options)[0]
        return as_grey_or_rgb(np.asarray(pixels), self.where, BOTH_DEPTHS)

    def _decompressed(self, frame: int) -> np.ndarray:
        """A frame of its own size: a compressed one may claim any, and is unfolded before that is seen."""
        from pydicom.encaps import encapsulate, get_frame
        from pydicom.uid import JPEG2000TransferSyntaxes, JPEGTransferSyntaxes, RLELossless

        alone: dict[str, Any] = {**self._options, "number_of_frames": 1}
        table = alone.pop("extended_offsets", None)
        count = self._options["number_of_frames"]
        data = get_frame(self._file, frame, number_of_frames=count, extended_offsets=table)
        if self._syntax in (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes):
            with Image.open(io.BytesIO(data), formats=("JPEG", "JPEG2000")) as image:
                if image.size != (self._options["columns"], self._options["rows"]):
                    raise ValueError(f"frame {frame + 1} of {image.height}×{image.width} pixels")
        elif self._syntax != RLELossless:  # whose segments are as large as the header says
            raise ValueError(f"frames stored as {self._syntax.name}")
        return self._decoder.as_array(encapsulate([data], has_bot=False), index=0, validate=True, **alone)[0]


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


def dicom_images(path: Path) -> list[StoredImage]:
    """The slide in a DICOM file or folder: see `dicom_image`."""
    return [dicom_image(path)]


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
        if path.is_file():
            check_alone(path, head)
        if any(item.SeriesInstanceUID != head.SeriesInstanceUID for _, item in finest):
            raise ValueError("files of several series")
        planes = planes_of(finest)
        height_um, width_um = (float(value) * UM_PER_MM for value in measures(head).PixelSpacing)
        step_mm = measures(head).get("SpacingBetweenSlices") if len(planes) > 1 else None
        optical_path = head.OpticalPathSequence[0] if "OpticalPathSequence" in head else {}
        na, power = optical_path.get("ObjectiveLensNumericalAperture"), optical_path.get("ObjectiveLensPower")
        known = tuple(plane.z_um for plane in planes if plane.z_um is not None)
        own_um = known if len(known) == len(planes) else None
        step_um = float(step_mm) * UM_PER_MM if step_mm else None
        source = ("ZOffsetInSlideCoordinateSystem", "SpacingBetweenSlices")
        objective = Objective(float(na) if na is not None else None, float(power) if power is not None else None)
        return StoredImage(
            name=stem_of(path),
            where=where,
            format="DICOM",
            planes=len(planes),
            height_px=int(head.TotalPixelMatrixRows),
            width_px=int(head.TotalPixelMatrixColumns),
            channels=channel_names(int(head.SamplesPerPixel)),
            depth=int(head.BitsAllocated),
            bits=int(head.BitsStored),
            heights=heights(where, len(planes), own_um, step_um, source=source),
            pixel=pixel_size(where, [PixelSizeEntry("PixelSpacing", width_um, height_um)], objective.magnification),
            objective=objective,
            files=tuple(sorted({frame[0] for plane in planes for frame in plane.frames.values()})),
            open=lambda: _open(where, planes),
        )


def _finest(path: Path) -> list[tuple[Path, Any]]:
    """Files of the finest level of the slide itself, without its label, overview and thumbnail."""
    files = [path] if path.is_file() else [f for f in sorted(path.iterdir()) if f.is_file() and is_dicom(f)]
    slides = []
    for file in files:
        head = read_header(file)
        if head is not None and _is_slide(head):
            slides.append((file, head))
    if not slides:
        raise UserError(
            str(path),
            got="DICOM files without a whole slide",
            wanted="VL Whole Slide Microscopy images",
            do="Correct the sheet's column path.",
        )
    widest = max(head.TotalPixelMatrixColumns for _, head in slides)
    return [(file, head) for file, head in slides if head.TotalPixelMatrixColumns == widest]


def _is_slide(head: Any) -> bool:
    kind = set(head.get("ImageType", ()))
    # Bio-Formats calls an image an overview that has no pyramid; a real one has no focal planes
    is_overview = "OVERVIEW" in kind and int(head.get("TotalPixelMatrixFocalPlanes", 1)) == 1
    return not is_overview and not {"LABEL", "THUMBNAIL"} & kind


@contextmanager
def _open(where: str, planes: list[Plane]) -> Iterator[PlaneReader]:
    with ExitStack() as stack:
        with reading_dicom(where):
            paths = {path for plane in planes for path, _ in plane.frames.values()}
            files = {path: stack.enter_context(open_frames(path, where)) for path in paths}
        yield DicomReader(planes, files)


class DicomReader:
    """A `PlaneReader` of focal planes, from the open files that they lie in."""

    def __init__(self, planes: list[Plane], files: Mapping[Path, Frames]) -> None:
        self._planes, self._files = planes, files
        self._any = next(iter(files.values()))

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels; white where the scanner took no picture."""
        if level:
            raise ValueError("one level")
        tall, wide = self._planes[plane].tile
        check_decoded(height, width, self._any.where)
        if (height // tall + 1) * (width // wide + 1) > MOST_PIECES:
            raise unreadable(self._any.where, f"tiles of {tall}×{wide} pixels")
        out = np.full((height, width, self._any.channels), self._any.white, self._any.dtype)
        for row in range(top // tall, -(-(top + height) // tall)):
            for column in range(left // wide, -(-(left + width) // wide)):
                found = self._planes[plane].frames.get((row, column))
                if found is None:
                    continue
                path, number = found
                tile, y, x = self._files[path].decoded(number), row * tall, column * wide
                first, last = max(y, top), min(y + tall, top + height)
                begin, end = max(x, left), min(x + wide, left + width)
                out[first - top : last - top, begin - left : end - left] = tile[
                    first - y : last - y, begin - x : end - x
                ]
        return out
