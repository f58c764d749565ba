"""The slide sheet: one row a slide, checked cell by cell before anything runs."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from tsva.errors import UserError
from tsva.settings.base import Section

Role = Literal["train", "dataset1", "dataset2", "refocus"]
TISSUES = ("glandular", "epithelial", "stromal", "fatty", "lymphoid", "muscle", "skin")
"""Kinds of digital tissue."""
STAINS = ("lab_a", "lab_b", "lab_c", "lab_d")
"""Stain protocols of digital tissue."""
WANTED = {
    "float_parsing": "a number with a decimal point and no unit, such as 0.345, or nothing",
    "int_parsing": "a whole number without a unit, or nothing",
    "string_pattern_mismatch": "at most 64 letters, digits, _, . and -, the first a letter or digit",
}
"""By the kind of pydantic's errors."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class SlideRow(Section, key="slide"):
    """One slide."""

    slide: str = Field(pattern=NAME)
    """Its name; unique; becomes a folder's name."""
    patient: str = Field(pattern=NAME)
    """Whom it comes from: splits never divide a patient."""
    sample: str = Field(pattern=NAME)
    """The tissue category of the report's tables, e.g. Sample1."""
    role: Role
    """train, dataset1, dataset2 (both tests), or refocus (only use a trained network on it)."""
    source: Literal["simulated", "image", "planes", "stack", "jiang2018"]
    """What the path holds: nothing (digital tissue), a sharp image or slide, a folder of planes, a z-stack, or the
    layout of Jiang et al. 2018."""
    path: str = ""
    """File or folder, relative to the sheet; `stack` and `image` take a glob (each file is a field)."""
    pixel_um: float | None = Field(None, gt=0.01, le=20)
    """Pixel size in the specimen; empty: the file says it."""
    z_step_um: float | None = Field(None, ge=-100, le=100)
    """Distance between planes, in the file's own order; negative: the first plane is the highest one; empty: the file
    or the planes' names say it."""
    bits: int | None = Field(None, ge=8, le=16)
    """For 16-bit z-stacks and planes: how many bits the camera fills, e.g. 12; empty: the file says it."""
    pattern: str = ""
    """For `planes`: the planes' names, with {z}, {z_nm} or {z_index}, and {field} where a folder has several fields."""
    fields: int | None = Field(None, ge=1, le=10_000)
    """For `simulated` and `image`: how many fields; empty: what the settings say for its role."""
    tissue: str = ""
    """For `simulated`: the kind of digital tissue."""
    stain: str = ""
    """For `simulated`: the stain protocol; empty: the first one."""
    microscope: str = ""
    """For `simulated` and `image`: the microscope of the settings that takes the stack; empty: the first one."""

    @field_validator("pixel_um", "z_step_um", "bits", "fields", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("z_step_um")
    @classmethod
    def _is_a_distance(cls, value: float | None) -> float | None:
        _require(value != 0, "z_step_um", "0", "a distance; negative where the first plane is the highest one")
        return value

    @field_validator("slide")
    @classmethod
    def _is_no_unfinished_folder(cls, value: str) -> str:
        _require(
            not value.endswith(".part"), "slide", value, "a name without .part at its end, as unfinished folders have"
        )
        return value

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> Self:
        if self.source == "simulated":
            _require(not self.path, "path", self.path, "nothing for source simulated")
            _require(self.tissue in TISSUES, "tissue", self.tissue, f"one of {', '.join(TISSUES)} for source simulated")
            _require(self.stain in ("", *STAINS), "stain", self.stain, f"one of {', '.join(STAINS)}, or nothing")
        else:
            _require(bool(self.path), "path", "", f"a file or folder for source {self.source}")
        if self.source == "planes":
            found = [key for key in ("{z}", "{z_nm}", "{z_index}") if key in self.pattern]
            _require(len(found) == 1, "pattern", self.pattern, "a name with {z} (µm), {z_nm} or {z_index} in it")
            needs_step = found == ["{z_index}"] and self.z_step_um is None
            _require(not needs_step, "z_step_um", "", "the step in µm, as the names carry an index alone")
        return self


def _require(holds: bool, column: str, got: str, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{column}|{got}|{wanted}")


def parse_sheet(text: str, name: str) -> dict[int, SlideRow]:
    """Check a slide sheet.

    Parameters
    ----------
    text : str
        Tab-separated, with a header line.
    name : str
        The sheet's path, for messages.

    Returns
    -------
    dict of int to SlideRow
        Rows by their number (the header is row 1), in the sheet's order, at least one.

    Raises
    ------
    UserError
        With the row and the column.
    """
    header, *lines = _cells(text, name) or [[]]
    header = [column.casefold() for column in header]
    while header and not header[-1]:
        header.pop()  # tabs that a spreadsheet left behind
    known = set(SlideRow.model_fields)
    missing = [f"no column {key}" for key, field in SlideRow.model_fields.items() if field.is_required()]
    wrong = [text for text in missing if text.split()[-1] not in header]
    wrong += [f"an unknown column {key!r}" for key in header if key not in known]
    wrong += [f"two columns {key}" for key in header if header.count(key) > 1]
    if len(header) == 1 and re.search("[,;]", header[0]):
        wrong.insert(0, "cells that are not separated by tabs")
    if wrong:
        raise UserError(
            f"{name}, row 1",
            got=wrong[0],
            wanted=f"tab-separated columns among {', '.join(SlideRow.model_fields)}",
            do="Correct the header line.",
        )
    rows: dict[int, SlideRow] = {}
    for number, cells in enumerate(lines, start=2):
        if any(cells):
            rows[number] = _row(header, cells, number, name)
    if not rows:
        raise UserError(name, got="no slides", wanted="at least one row", do="Add a slide.")
    _check_across(rows, name)
    return rows


def _cells(text: str, name: str) -> list[list[str]]:
    """Cells of the lines of a sheet; quotes that a spreadsheet put around a cell are taken off."""
    lines = re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))
    return [
        [
            _unquoted(cell.strip(), f"{name}, row {number}, cell {place}")
            for place, cell in enumerate(line.split("\t"), start=1)
        ]
        for number, line in enumerate(lines, start=1)
    ]


def _unquoted(cell: str, where: str) -> str:
    if not cell.startswith('"'):
        return cell
    if len(cell) < 2 or not cell.endswith('"'):
        raise UserError(
            where, got=f"a quote that is not closed ({cell})", wanted="none, or two", do="Correct this cell."
        )
    return cell[1:-1].replace('""', '"')


def _row(header: list[str], cells: list[str], number: int, name: str) -> SlideRow:
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise UserError(
            f"{name}, row {number}",
            got="more or fewer cells than the header has",
            wanted="one cell a column",
            do="Separate cells by single tabs.",
        )
    try:
        return SlideRow.model_validate(dict(zip(header, cells, strict=False)))
    except ValidationError as error:
        first = error.errors()[0]
        column, got = str(first["loc"][0]) if first["loc"] else "", repr(first["input"])
        wanted = WANTED.get(first["type"], first["msg"].removeprefix("Input should be "))
        if first["type"] == "value_error" and "|" in first["msg"]:
            column, got, wanted = first["msg"].removeprefix("Value error, ").split("|")
            got = repr(got)
        raise UserError(
            f"{name}, row {number}, column {column}", got=got, wanted=wanted, do="Correct this cell."
        ) from None


def _check_across(rows: dict[int, SlideRow], name: str) -> None:
    """Slides are unique, and no patient is in both training and test, or spelled in two ways."""
    seen: dict[str, int] = {}
    spelled: dict[str, tuple[str, int]] = {}
    roles: dict[str, tuple[str, int]] = {}
    for number, row in rows.items():
        if row.slide in seen:
            raise UserError(
                f"{name}, row {number}, column slide",
                got=f"{row.slide!r} again (first in row {seen[row.slide]})",
                wanted="a name of its own for every slide",
                do="Rename one of them.",
            )
        seen[row.slide] = number
        if row.role == "refocus":
            continue
        spelling, where = spelled.setdefault(_bare(row.patient), (row.patient, number))
        if spelling != row.patient:
            raise UserError(
                f"{name}, row {number}, column patient",
                got=f"{row.patient!r}, and {spelling!r} in row {where}",
                wanted="one spelling of each patient, as splits never divide a patient",
                do="Write both alike; give two patients names that differ by more than case, separators and zeros.",
            )
        side = "training" if row.role == "train" else "test"
        other, where = roles.setdefault(row.patient, (side, number))
        if other != side:
            raise UserError(
                f"{name}, row {number}, column patient",
                got=f"{row.patient!r} in {side}, and in {other} in row {where}",
                wanted="each patient in training or in test alone",
                do="Move all slides of this patient to one side.",
            )


def _bare(patient: str) -> str:
    """A patient's name without case, separators and leading zeros; separators between two digits count (1-1 is not 11).

    Spreadsheets take zeros off.
    """
    between_digits = re.sub(r"(?<=\d)[_.-]+(?=\d)", " ", patient.casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[_.-]", "", between_digits))
