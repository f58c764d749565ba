"""From a row of the slide sheet to the fields of its files."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.name_patterns import NamePattern
from tsva.readers.planes import fields_of_jiang2018, fields_of_planes
from tsva.readers.registry import FORMATS, files_at, format_of, has_known_ending, images_below, matching, shown
from tsva.readers.source import FieldSource, stored_images
from tsva.readers.stacks import as_stack, fields_of_images
from tsva.readers.stored import StoredImage
from tsva.settings.sheet import SlideRow

log = logging.getLogger(__name__)
LONGEST_NAME = 200
"""Characters; file systems take 255, endings included."""


def find_fields(row: SlideRow, sheet_folder: Path, max_field_px: int | None = None) -> list[FieldSource]:
    """Fields of a slide with source `planes`, `stack` or `jiang2018`.

    Parameters
    ----------
    row : SlideRow
        The slide.
    sheet_folder : Path
        What the row's path starts from.
    max_field_px : int, optional
        Larger planes of source `stack` are cut into parts of at most so many pixels a side.

    Returns
    -------
    list of FieldSource
        At least one, each with a name of its own that is fit for a file. Their planes aren't read yet.

    Raises
    ------
    UserError
        If no field is found, or its files don't say what is needed.
    """
    where = f"slide sheet, slide {row.slide}"
    if row.source == "planes":
        pattern = NamePattern(row.pattern, row.z_step_um, where)
        found = fields_of_planes(sheet_folder / row.path, pattern, row.pixel_um, row.slide, row.bits)
    elif row.source == "jiang2018":
        found = fields_of_jiang2018(matching(sheet_folder / row.path, where), row.pixel_um)
    elif row.source == "stack":
        places = matching(sheet_folder / row.path, where)
        files = [file for place in places for file in _files(place)]
        _check_twice(files)
        found = [
            field
            for images in _without_parts(files, set(files_at(sheet_folder / row.path)), where)
            for field in fields_of_images(*images, row.pixel_um, row.z_step_um, row.bits, max_field_px)
        ]
    else:
        raise ValueError(f"source {row.source} has no z-stacks of its own")
    return list(_named_apart(_by_folder(found)))


def _files(path: Path) -> list[Path]:
    """The file, or the folder if it is one image, or the z-stack files below a folder."""
    if path.is_file() or format_of(path) is not None:
        return [path]
    found, left = images_below(path)
    pictures = [entry for entry in found if entry.is_file() and head_of(entry).is_picture]
    found = [entry for entry in found if entry not in pictures]
    if not found:
        raise UserError(
            str(path),
            got="a folder without files of z-stacks",
            wanted=", ".join(known.name for known in FORMATS),
            do="Correct the sheet's column path.",
        )
    # copies and leftovers of TIFF files; a vendor's own format is what it is
    unnamed = [entry for entry in found if not has_known_ending(entry) and head_of(entry).is_tiff]
    if odd := [entry.relative_to(path).as_posix() for entry in unnamed]:
        raise UserError(
            str(path),
            got=f"{len(found) - len(odd)} z-stacks, and {len(odd)} files that look like some by their content"
            f" ({shown(odd)})",
            wanted="names that end as such files do",
            do="Rename these files, or move them away.",
        )
    if other := left + pictures:
        names = [entry.relative_to(path).as_posix() for entry in other]
        log.info("%s: %d z-stacks taken, %d other files left (%s)", path, len(found), len(other), shown(names))
    return found


def _check_twice(files: list[Path]) -> None:
    """Refuse a file that links, or patterns that overlap, name twice: it would count twice."""
    seen: dict[Path, Path] = {}
    for file in files:
        first = seen.setdefault(file.resolve(), file)
        if first is not file:
            raise UserError(
                str(file), got=f"the same file as {first}", wanted="each z-stack once", do="Take one of them out."
            )


def _without_parts(files: list[Path], watched: set[Path], where: str) -> Iterator[tuple[Path, list[StoredImage]]]:
    """The files and the images in them, of an image in several files only the first one, as it leads to the others."""
    parts: set[Path] = set()
    for file in files:
        if file in parts:
            continue
        images = stored_images(file)
        members = {member for image in images for member in image.files}
        if others := sorted(member.name for member in members - watched if member.is_file()):
            raise UserError(
                f"{where}, column path",
                got=f"{file.name} without {others[0]}, of one z-stack in {len(members)} files",
                wanted="all of them, as only files that the sheet names are watched for changes",
                do="Write their folder, or a pattern that matches them all.",
            )
        yield file, images
        parts |= members


def _by_folder(fields: list[FieldSource]) -> list[FieldSource]:
    """The fields, with their folder's name before those of one name in several folders."""
    folders: dict[str, set[str]] = defaultdict(set)
    for field in fields:
        folders[field.name].add(Path(field.where).parent.name)
    return [
        replace(field, name=f"{Path(field.where).parent.name}_{field.name}") if len(folders[field.name]) > 1 else field
        for field in fields
    ]


def _watched(field: FieldSource) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: as_stack(field.planes(), field.plane_names, field.where)


def _named_apart(fields: list[FieldSource]) -> Iterator[FieldSource]:
    """The fields with names that are fit for files, all different."""
    taken: dict[str, FieldSource] = {}
    for field in fields:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", field.name).lstrip("_.-") or "field"
        if name in taken:
            raise UserError(
                field.where,
                got=f"a second field called {name} (first in {taken[name].where})",
                wanted="a name of its own for every field",
                do="Rename one of them.",
            )
        if len(name) > LONGEST_NAME:
            raise UserError(
                field.where,
                got=f"a field whose name has {len(name)} characters",
                wanted=f"at most {LONGEST_NAME}, as the name becomes a file's",
                do="Rename it.",
            )
        taken[name] = field
        yield replace(field, name=name, planes=_watched(field) if field.mosaic_px is None else field.planes)
