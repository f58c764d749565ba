"""What a file is by its header, and its row for the slide sheet with the fields that it names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.guess import guess_pattern, is_unit_guessed
from tsva.readers.head import head_of
from tsva.readers.planes import LOCATION
from tsva.readers.registry import format_of, images_below, shown
from tsva.readers.slide import flat_image, is_slide
from tsva.readers.source import FieldSource, stored_images
from tsva.readers.stored import StoredImage
from tsva.readers.tiff_stacks import files_of_set
from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow, parse_sheet

Kind = Literal["stack", "planes", "image", "jiang2018"]


@dataclass(frozen=True)
class Facts:
    """What can be known without reading pixels.

    Attributes
    ----------
    source : str
        What the slide sheet calls such a thing.
    pattern : str
        Names of the planes, for source `planes`.
    entries : dict of str to str
        Format, size, channels and so on, for printing.
    """

    source: Kind
    pattern: str
    entries: dict[str, str]


def find_facts(path: Path, pattern: str) -> Facts:
    """Report what a file or folder is, by what readers say of it.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    pattern : str
        Of the names of planes; empty: guessed.

    Raises
    ------
    UserError
        If there is nothing, or nothing that is known.
    """
    if not path.exists():
        raise UserError(str(path), got="nothing there", wanted="a file or folder", do="Correct the path.")
    if path.is_dir() and (pattern or format_of(path) is None):
        return _of_folder(path, pattern)
    if pattern:
        raise UserError(
            str(path),
            got=f"a file, and the pattern {pattern!r}",
            wanted="a pattern with the folder of the planes",
            do="Name the folder, or leave out --pattern.",
        )
    return _of_images(_images(path))


def _images(path: Path) -> list[StoredImage]:
    """Images with focal planes, if there are any; else the flat one."""
    if is_slide(path) and not _may_have_planes(path):
        return [flat_image(path)]
    images = stored_images(path)
    return [image for image in images if image.planes > 1] or [flat_image(path)]


def _may_have_planes(path: Path) -> bool:
    """Whether it is of one of the scanners' formats that hold focal planes."""
    known = format_of(path)
    return known is not None and (known.name != "TIFF" or head_of(path).is_ndpi)


def _of_images(images: list[StoredImage]) -> Facts:
    first = images[0]
    planes = f"{first.planes} planes" if first.planes > 1 else ""
    entries = {"format": ", ".join(part for part in (first.format, planes, first.stored_as) if part)}
    if len(images) > 1:
        entries["images"] = str(len(images))
    if len(first.levels) > 1:
        entries["pyramid"] = f"{len(first.levels)} levels"
    kind = {1: "grey", 3: "RGB", 4: "RGB and opacity"}.get(len(first.channels), f"{len(first.channels)} channels")
    entries["size"] = f"{first.width_px} × {first.height_px} pixels"
    entries["channels"] = f"{kind}, {first.bits or first.depth} bits"
    lens = first.objective
    words = [f"{lens.magnification:g}×" if lens.magnification else "", f"NA {lens.na:g}" if lens.na else ""]
    if text := " ".join(word for word in (*words, lens.immersion) if word):
        entries["objective"] = text
    return Facts("stack" if first.planes > 1 else "image", "", entries)


def _of_folder(path: Path, pattern: str) -> Facts:
    if not pattern and any(LOCATION.fullmatch(place.name) for place in (path, *path.rglob("s*_l*"))):
        return Facts("jiang2018", "", {"format": "layout of Jiang et al. 2018"})
    taken, left = images_below(path)
    files = [file for file in taken if not head_of(file).is_companion]
    if not files:
        raise UserError(
            str(path),
            got=f"a folder without TIFF, PNG or JPEG files, or others that are read here{_shown(path, left)}",
            wanted="planes or z-stacks",
            do="Correct the path.",
        )
    first = files[0]
    first_of = _of_images(_images(first))
    if first_of.source == "stack" and not pattern:
        listed = f"{len(taken)} taken, the first of which is {first.name}{_shown(path, left)}"
        return Facts("stack", "", {"files": listed, **first_of.entries})
    names = [file.relative_to(path).as_posix() for file in files if _is_flat(file)]
    guessed = pattern or guess_pattern(names) or ""
    if not guessed:
        raise UserError(
            str(path),
            got=f"{len(files)} images like {first.name}, whose names don't show which number is z",
            wanted="a pattern like {field}_z{z}um.tif",
            do="Give --pattern (docs/formats.md).",
        )
    unit = {"z in names": "micrometres, though they don't say so"} if is_unit_guessed(guessed) else {}
    return Facts("planes", guessed, {"files": f"{len(names)} images, one a plane", **first_of.entries, **unit})


def _is_flat(path: Path) -> bool:
    return head_of(path).is_tiff or head_of(path).is_picture


def _shown(folder: Path, left: list[Path]) -> str:
    names = shown([place.relative_to(folder).as_posix() for place in left])
    return f"; {len(left)} other files left ({names})" if left else ""


COLUMNS = ("slide", "patient", "sample", "role", "source", "path", "pixel_um", "z_step_um", "bits", "pattern")
UNKNOWN = {"pixel_um": "PIXEL_UM", "z_step_um": "Z_STEP_UM"}
"""Written where nobody knows the number: no number, so that the sheet isn't taken before it is filled in."""


def cells_for(
    path: Path,
    facts: Facts,
    sheet_folder: Path,
    pixel_um: float | None,
    z_step_um: float | None,
    bits: int | None = None,
) -> dict[str, str]:
    """Cells of a row for a file or folder; the role is to be decided yet.

    Nobody knows the patient and the tissue: both are called as the slide.
    """
    if odd := re.search(r"[\x00-\x1f\x7f]", facts.pattern + str(path)):
        raise UserError(
            str(path),
            got=f"a name with the character {odd[0]!r} in it",
            wanted="names without tabs and line breaks, which end a cell of the sheet",
            do="Rename the files.",
        )
    slide = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.name.split(".")[0] if path.is_file() else path.resolve().name)
    slide = slide.lstrip("_.-")[:64] or "slide"
    return {
        "slide": slide,
        "patient": slide,
        "sample": slide,
        "role": "refocus",
        "source": facts.source,
        "path": Path(os.path.relpath(_whole(path), sheet_folder)).as_posix(),
        "pattern": facts.pattern,
        "pixel_um": f"{pixel_um:g}" if pixel_um else "",
        "z_step_um": f"{z_step_um:g}" if z_step_um else "",
        "bits": str(bits) if bits else "",
    }


def _whole(path: Path) -> Path:
    """The path itself; of a set in several files a pattern that matches all of it, or the folder."""
    names = {name for name in files_of_set(path) if (path.parent / name).is_file()}
    if len(names) < 2:
        return path
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False))
    start = "".join(letter for letter, _ in alike)
    matched = {file.name for file in path.parent.glob(f"{start}*")}
    return path.parent / f"{start}*" if start and matched == names else path.parent


def sheet(cells: dict[str, str]) -> str:
    """Header and row, tab-separated."""
    return "\t".join(COLUMNS) + "\n" + "\t".join(cells[column] for column in COLUMNS)


def find(
    cells: dict[str, str], sheet_folder: Path, settings: Settings
) -> tuple[SlideRow, list[FieldSource], dict[str, tuple[str, str]]]:
    """Fields that a row names, even where the sheet lacks a number.

    Parameters
    ----------
    cells : dict of str to str
        The row; what it lacks is marked in it.
    sheet_folder : Path
        What its path starts from.
    settings : Settings
        Pixel size and step that are assumed where nobody knows them.

    Returns
    -------
    row : SlideRow
        With the assumed numbers.
    fields : list of FieldSource
        At least one.
    missing : dict of str to (str, str)
        Columns that have to be filled in: the number assumed, and what the file says instead.

    Raises
    ------
    UserError
        For whatever else is wrong.
    """
    assumed = {"pixel_um": f"{settings.optics.pixel_um:g}", "z_step_um": f"{settings.protocol.z_step_um:g}"}
    missing: dict[str, tuple[str, str]] = {}
    while True:
        try:
            filled = {column: number for column, (number, _) in missing.items()}
            row = next(iter(parse_sheet(sheet({**cells, **filled}), "this row").values()))
            fields = find_fields(row, sheet_folder)
        except UserError as error:
            asked = [
                column
                for column in assumed
                if column not in missing and f"column {column}" in f"{error.where} {error.do}" and not cells[column]
            ]
            if not asked:
                raise
            missing[asked[0]] = (assumed[asked[0]], error.got)
            continue
        cells.update({column: UNKNOWN[column] for column in missing})
        return row, fields, missing
