"""DICOM whole slides with focal planes, by pydicom: only the tiles that a region touches are decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tsva.errors import UserError
from tsva.readers.dicom_frames import Frames, open_frames, read_header, reading_dicom
from tsva.readers.dicom_planes import UM_PER_MM, Plane, check_alone, measures, planes_of
from tsva.readers.listing import is_dicom, stem_of
from tsva.readers.pixels import unreadable
from tsva.readers.scale import Word, heights, pixel_size
from tsva.readers.stored import MOST_PIECES, Objective, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import check_decoded


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
        path_told = head.OpticalPathSequence[0] if "OpticalPathSequence" in head else {}
        na, power = path_told.get("ObjectiveLensNumericalAperture"), path_told.get("ObjectiveLensPower")
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
            pixel=pixel_size(where, [Word("PixelSpacing", width_um, height_um)], objective.magnification),
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
            do="Mend the sheet's column path.",
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
