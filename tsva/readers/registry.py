"""Which reader takes a file or folder, told by its content: a new format is a module and a line here.

Readers are named and loaded only when a file needs one, so that a format's code is behind the slides in it and behind
nothing else (see `tsva.pipeline.plan.Plan.code`). Planning asks here too, so that no library is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tsva.readers.head import Head, head_of
from tsva.readers.listing import entries_below, is_dicom, is_zarr, places_at

LIF, ND2 = b"\x70\x00\x00\x00", b"\xda\xce\xbe\x0a"


class Format(NamedTuple):
    """A format: its name, its reader's module and function (of a path, giving stored images), and what tells it."""

    name: str
    module: str
    images: str
    takes: Callable[[Path, Head], bool]


FORMATS = (
    Format("OME-Zarr", "tsva.readers.zarr_images", "zarr_images", lambda path, _: is_zarr(path)),
    Format("DICOM", "tsva.readers.dicom", "dicom_images", lambda path, _: is_dicom(path)),
    Format("CZI", "tsva.readers.czi", "czi_images", lambda _, head: head.is_czi),
    Format("LIF", "tsva.readers.lif", "lif_images", lambda _, head: head.start.startswith(LIF)),
    Format("ND2", "tsva.readers.nd2_files", "nd2_images", lambda _, head: head.start.startswith(ND2)),
    Format("TIFF", "tsva.readers.tiff_stacks", "tiff_images", lambda _, head: head.is_tiff or head.is_companion),
    Format("PNG, JPEG and BMP", "tsva.readers.images", "raster_images", lambda _, head: head.is_picture),
)


def format_of(path: Path) -> Format | None:
    """The first format that takes a file or folder; None for all others."""
    head = head_of(path)
    return next((known for known in FORMATS if known.takes(path, head)), None)


def images_below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files and folders below a folder that each are an image by their content, and the files that are none; sorted.

    Links are followed, and what an operating system hides is left out.
    """
    taken: list[Path] = []
    left: list[Path] = []
    for entry in entries_below(folder, lambda place: format_of(place) is not None):
        (left if format_of(entry) is None else taken).append(entry)
    return taken, left


def modules_behind(path: Path) -> list[str]:
    """Modules of the readers of the files that a path of the sheet stands for, sorted."""
    found = set()
    for place in places_at(path):
        whole = format_of(place)
        inside = images_below(place)[0] if whole is None and place.is_dir() else []
        found |= {whole} | {format_of(entry) for entry in inside}
    return sorted({known.module for known in found if known is not None})
