"""Which files a path of the slide sheet stands for: one list for planning, reading and inspection.

It needs no library, as planning is to wait for none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tsva.errors import UserError
from tsva.readers.head import head_of

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
                do="Mend the link, or delete it.",
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
            do="Mend the path (it starts from the sheet's folder) or put the files there."
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
