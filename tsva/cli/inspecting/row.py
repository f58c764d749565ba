"""The row that goes into the slide sheet, and the fields that it names."""

from __future__ import annotations

import os
import re
from itertools import takewhile
from pathlib import Path

from tsva.cli.inspecting.facts import Facts
from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.source import FieldSource
from tsva.readers.tiff_stacks import files_of_set
from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow, parse_sheet

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
