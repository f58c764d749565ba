"""What the user's files hold before it is read: stored images of any format, and fields with what is known of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsva.acquisition.stack import regular_step_um
from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.registry import FORMATS, files_below, format_of, images_below, places_at
from tsva.readers.stored import UNKNOWN, Objective, StoredImage
from tsva.settings.sheet import SlideRow

OTHERS = {
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000 (also ND2 files before version 2)",
    b"\xd0\xcf\x11\xe0": "Olympus OIB or Zeiss ZVI",
    b"OLYMPUSR": "Olympus OIR",
}
"""How formats begin that no reader takes."""


def stored_images(path: Path) -> list[StoredImage]:
    """Images of a file or folder, before any pixel is read.

    Parameters
    ----------
    path : Path
        TIFF of any kind (OME-TIFF or the header of a set of it, ImageJ, NDPI), OME-Zarr, DICOM whole slide (file or
        folder), CZI; whatever its name.

    Returns
    -------
    list of StoredImage
        At least one.

    Raises
    ------
    UserError
        If it is missing, damaged, of no known kind, or its reader is not installed.
    """
    where = str(path)
    if not path.exists():
        raise UserError(where, got="no such file", wanted="an image", do="Correct the path.")
    known = format_of(path)
    if known is not None:
        images: list[StoredImage] = getattr(importlib.import_module(known.module), known.images)(path)
        return images
    start = head_of(path).start
    name = next((name for magic, name in OTHERS.items() if start.startswith(magic)), None)
    empty = "a folder that is no image" if path.is_dir() else "an empty file"
    raise UserError(
        where,
        got=f"a file of {name}" if name else "a file of no kind known here" if start else empty,
        wanted=", ".join(one.name for one in FORMATS),
        do="Convert it to OME-TIFF (bfconvert of Bio-Formats, or bioformats2raw), or copy it again.",
    )


@dataclass(frozen=True)
class FieldSource:
    """Where a field's planes are and how to read them, one by one.

    Attributes
    ----------
    name : str
        Of the field.
    where : str
        The file or folder, for messages.
    z_um : tuple of float
        Stage position of each plane, none lower than the one before.
    plane_names : tuple of str
        What to call each plane in messages.
    pixel_um : float
        Size of a pixel in the specimen.
    planes : callable
        Gives an iterator over the planes in the order of `z_um`: (Y, X, C) uint8 arrays, C 1 or 3.
    mosaic_px : int or None
        Where a field is made of square patches side by side that do not continue each other: their edge.
    objective : Objective
        Numerical aperture and magnification, where the file knows them.
    channels : tuple of str
        Names of the channels, where known before reading.
    pixel_source : str
        Who says the pixel size.
    z_source : str
        Who says the positions.
    z_absolute : bool
        Whether these are positions of the stage that all fields share, and not counted from each field's first plane.
    bits : int or None
        Of 16-bit pixels: how many the camera fills.
    notes : tuple of str
        What was turned or guessed.
    region : callable or None
        ``region(plane, top, left, height, width)`` reads a part of one plane, whose number counts along `z_um`, without
        decoding the rest of it. None where files can only be read whole.
    """

    name: str
    where: str
    z_um: tuple[float, ...]
    plane_names: tuple[str, ...]
    pixel_um: float
    planes: Callable[[], Iterator[np.ndarray]]
    mosaic_px: int | None = None
    objective: Objective = UNKNOWN
    channels: tuple[str, ...] = ()
    pixel_source: str = ""
    z_source: str = ""
    z_absolute: bool = True
    bits: int | None = None
    notes: tuple[str, ...] = ()
    region: Callable[[int, int, int, int, int], np.ndarray] | None = None


MOST_NAMES = 20
"""Of files that are left; a folder may hold thousands."""


def facts_of(source: FieldSource) -> dict[str, object]:
    """What is known of a field before its pixels are read, as JSON holds it."""
    return {
        "field": source.name,
        "from": source.where,
        "planes": len(source.z_um),
        "z_um": list(source.z_um),
        "z_step_um": regular_step_um(np.array(source.z_um)) if len(source.z_um) > 1 else None,
        "z_source": source.z_source,
        "z_absolute": source.z_absolute,
        "pixel_um": source.pixel_um,
        "pixel_source": source.pixel_source,
        "bits": source.bits,
        "channels": list(source.channels),
        "na": source.objective.na,
        "magnification": source.objective.magnification,
        "notes": list(source.notes),
    }


def files_of(row: SlideRow, sheet_folder: Path, sources: list[FieldSource]) -> dict[str, object]:
    """How many of the files that a row's path stands for are read, and which are not.

    Parameters
    ----------
    row : SlideRow
        Of source `planes`, `stack` or `jiang2018`.
    sheet_folder : Path
        What its path starts from.
    sources : list of FieldSource
        Its fields.

    Returns
    -------
    dict
        ``taken`` and ``left`` (counts), and ``left_names`` (at most `MOST_NAMES`).
    """
    taken, left = 0, []
    for place in places_at(sheet_folder / row.path):
        if place.is_file() or format_of(place) is not None:
            taken += 1
            continue
        if row.source == "stack":
            found, others = images_below(place)
            pictures = [path for path in found if path.is_file() and head_of(path).is_picture]
            taken += len(found) - len(pictures)
            left += [path.relative_to(place).as_posix() for path in (*pictures, *others)]
        elif row.source == "planes":
            named = {name for source in sources for name in source.plane_names}
            every = [path.relative_to(place).as_posix() for path in files_below(place)]
            taken += len(named)
            left += [name for name in every if name not in named]
        else:
            taken += len(files_below(place))
    return {"taken": taken, "left": len(left), "left_names": sorted(left)[:MOST_NAMES]}
