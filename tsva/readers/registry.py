"""Which files a path of the slide sheet stands for, and which reader takes each by its content.

A new format is a module and a line in `FORMATS`. Readers are named and loaded only when a file needs one, so that a
format's code is behind the slides in it and behind nothing else (see `tsva.pipeline.plan.Plan.code`). Planning, reading
and inspection all ask here; no library is imported, as planning is to wait for none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tsva.errors import UserError
from tsva.readers.head import Head, head_of

PICTURE_ENDINGS = (".tif", ".tiff", ".btf", ".tf2", ".tf8", ".png", ".jpg", ".jpeg", ".bmp")
"""Of planes."""
KNOWN_ENDINGS = re.compile(
    r"(?:\.ome|\.companion|\.lsm)?\.(?:tiff?|btf|tf[28]|lsm|stk|ndpi|svs|scn|bif|mrxs|vms|czi|nd2|lif|dcm|zarr|ome|xml|"
    r"png|jpe?g|bmp)$",
    re.IGNORECASE,
)
ENDINGS = re.compile(rf"{KNOWN_ENDINGS.pattern}|\.[a-z]\w{{0,4}}$", re.IGNORECASE)
ZARR_MARKS = ("zarr.json", ".zgroup")
ZARR_HIDDEN = (".zgroup", ".zarray", ".zattrs", ".zmetadata")
"""Files of Zarr whose names begin with a dot, which otherwise means that an operating system put them there."""
SYSTEM_FOLDERS = ("@eadir", "#recycle", "__macosx", "$recycle.bin", "system volume information", "lost+found")
"""What storage servers and operating systems put beside files, thumbnails of the same names among it."""
SHOWN = 3
"""Names in a message."""


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, sorted; links are followed, and what an operating system hides is left out.

    Raises
    ------
    UserError
        If a link that is named as an image leads nowhere.
    """
    return sorted(entry for entry in entries_below(folder) if entry.is_file())


def entries_below(folder: Path, is_whole: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """Files below a folder as `files_below` lists them, and folders that are one image by `is_whole`."""
    yield from _walk(folder, (), is_whole)


def _walk(folder: Path, above: tuple[str, ...], is_whole: Callable[[Path], bool]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return  # a link that leads back
    for entry in sorted(folder.iterdir()):
        if is_hidden(entry.name):
            continue
        if entry.is_dir() and not is_whole(entry):
            yield from _walk(entry, (*above, real), is_whole)
            continue
        if entry.is_symlink() and not entry.exists() and has_known_ending(entry):
            raise UserError(
                str(entry),
                got=f"a link to {entry.readlink()}, where nothing is",
                wanted="a file",
                do="Correct the link, or delete it.",
            )
        yield entry


def is_hidden(name: str) -> bool:
    """Whether an operating system put a file or folder there, such as macOS' ``._A1.tif`` or ``@eaDir``."""
    return (name.startswith(".") and name not in ZARR_HIDDEN) or name.casefold() in SYSTEM_FOLDERS


def places_at(path: Path) -> list[Path]:
    """The file or folder that a path names, or those that it matches as a pattern, sorted."""
    if path.exists():
        return [path]
    # what comes before the first folder that is a pattern itself
    start = path.parent
    while not start.exists() and start != start.parent:
        start = start.parent
    pattern = path.relative_to(start).as_posix()
    found = [place for place in start.glob(pattern) if not any(map(is_hidden, place.relative_to(start).parts))]
    return sorted(found)


def matching(path: Path, where: str) -> list[Path]:
    """Files and folders that a path of the sheet names: itself, or what it matches as a pattern, sorted.

    Raises
    ------
    UserError
        If there are none.
    """
    found = places_at(path)
    if not found:
        raise UserError(
            f"{where}, column path",
            got=f"{path}, where nothing is",
            wanted="a file, a folder, or a pattern that matches some",
            do="Correct the path (it starts from the sheet's folder) or put the files there."
            + (" Part folders by / and not by \\." if "\\" in path.name else ""),
        )
    return found


def files_at(path: Path) -> list[Path]:
    """All files that a path of the sheet stands for, sorted: their content decides what is run again."""
    found: set[Path] = set()
    for place in places_at(path):
        found.update(files_below(place) if place.is_dir() else [place])
        if place.suffix == ".mrxs" and place.with_suffix("").is_dir():
            found.update(files_below(place.with_suffix("")))  # where a MIRAX slide keeps its pixels
    return sorted(found)


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group."""
    return path.is_dir() and any((path / mark).is_file() for mark in ZARR_MARKS)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, or a folder holds one."""
    if path.is_dir():
        return any(head_of(file).is_dicom for file in sorted(path.iterdir()) if file.is_file())
    return head_of(path).is_dicom


def stem_of(path: Path) -> str:
    """A file's or folder's name without its ending, such as ``.ome.tif``; what follows a decimal point is none."""
    return ENDINGS.sub("", path.name) or path.name


def has_known_ending(path: Path) -> bool:
    """Whether a file or folder is named as images are."""
    return KNOWN_ENDINGS.search(path.name) is not None


def looks_like_image(path: Path) -> bool:
    """Whether a file begins as an image does, whatever its name."""
    head = head_of(path)
    return head.is_tiff or head.is_czi or head.is_dicom or head.is_picture


def shown(names: list[str]) -> str:
    """The first names of a list, for a message."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


LIF, ND2 = b"\x70\x00\x00\x00", b"\xda\xce\xbe\x0a"


class Format(NamedTuple):
    """A format: name, reader's module and function (of a path, giving stored images), and how it is recognised."""

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
