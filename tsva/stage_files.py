"""Tables, arrays and JSON that stages hand to each other; damaged files are named."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.lib import format as npy

from tsva.errors import UserError

TEXT_COLUMNS = (
    "slide",
    "field",
    "file",
    "reason",
    "verdict",
    "sample",
    "patient",
    "role",
    "source",
    "array",
    "method",
    "network",
    "dataset",
    "split",
    "protocol",
    "target",
    "clean_file",
    "continuous_file",
    "continuous_clean_file",
    "continuous_z_um",
    "surface_file",
    "nuclei_file",
    "failure",
)
"""Columns that stay text whatever their cells look like: field 007 is not 7, and no reason at all is no number."""

STACK_COLUMNS = [
    "slide",
    "field",
    "file",
    "planes",
    "height_px",
    "width_px",
    "channels",
    "pixel_um",
    "z_first_um",
    "z_last_um",
    "z_step_um",
    "reason",
]
"""First columns of fields.tsv, whether stacks are read or simulated."""
SCORES_ORDER = ["patch", "protocol", "focal_offset_um", "target"]
"""Columns that the rows of scores.tsv are sorted by."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Parameters
    ----------
    path : Path
        Tab-separated text.

    Returns
    -------
    pandas.DataFrame
        Columns of `TEXT_COLUMNS` are text with "" for empty cells; in all others pandas finds the type, and an empty
        cell is NaN. Floats are what was written, to the last bit.

    Raises
    ------
    UserError
        If the file is missing or isn't a table.
    """
    try:
        _check_end(path)
        frame = pd.read_csv(
            path,
            sep="\t",
            dtype=dict.fromkeys(TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8",
        )
    except (OSError, ValueError) as error:
        raise UserError(
            str(path), got=str(error), wanted="a tab-separated table", do="Delete it, so that its stage runs again."
        ) from None
    texts = [column for column in frame.columns if column in TEXT_COLUMNS]
    frame[texts] = frame[texts].fillna("")
    return frame


def _check_end(path: Path) -> None:
    """Raise ValueError if the last line has no end: pandas would fill up a cut one with empty cells."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            raise ValueError("an empty file")
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            raise ValueError("a table that breaks off in the middle of a line")


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table so that `read_table` gives it back: floats in their shortest exact form, NaN as an empty cell.

    Parameters
    ----------
    path : Path
        Its folder exists.
    frame : pandas.DataFrame
        The index isn't written. Whole numbers that may be missing should be of type Int64, so that they stay whole.
    """
    frame.to_csv(path, sep="\t", index=False, na_rep="", lineterminator="\n", encoding="utf-8")


def read_array(path: Path) -> np.ndarray:
    """Map a `.npy` file, to be read only where it is looked at.

    Raises
    ------
    UserError
        If it is missing, cut off or damaged.
    """
    _check_there(path)
    try:
        found: np.ndarray = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, "an array", error) from None
    return found


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an `.npz` file, by name.

    Raises
    ------
    UserError
        If it is missing, cut off or damaged.
    """
    _check_there(path)
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise _damaged(path, "arrays", error) from None


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises
    ------
    UserError
        If it is missing, cut off or damaged.
    """
    _check_there(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, "JSON", error) from None


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise UserError(
            str(path), got="no such file", wanted="what the stage before writes", do="Run that stage first."
        )


def _damaged(path: Path, wanted: str, error: Exception) -> UserError:
    return UserError(
        str(path),
        got=str(error),
        wanted=f"{wanted} that an earlier stage wrote",
        do="Delete it, so that its stage runs again.",
    )


class Rows:
    """A uint8 array on disk; what isn't written stays a hole in the file and reads as 0.

    Written by plain calls: where a mapped file meets a full disk, the system kills the process without a word.

    Parameters
    ----------
    path : Path
        The file, made anew.
    shape : tuple of int
        Any axis may be 0.
    axes : int
        So many leading axes count rows, in C order.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], axes: int = 1) -> None:
        self._path, self._rows, self._row = path, math.prod(shape[:axes]), shape[axes:]
        with path.open("wb") as file:
            npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            self._start = file.tell()
            file.truncate(self._start + math.prod(shape))

    def write(self, index: Iterable[int], values: np.ndarray) -> None:
        """Write rows: one of `values` for each of `index`.

        Raises
        ------
        ValueError
            If they are of another shape or type.
        OSError
            If there is no room.
        """
        if values.shape[1:] != self._row or values.dtype != np.uint8:
            raise ValueError(f"rows are uint8 {self._row}, not {values.dtype} {values.shape[1:]}")
        size = math.prod(self._row)
        with self._path.open("r+b", buffering=0) as file:
            for row, value in zip(index, values, strict=True):
                if not 0 <= row < self._rows:
                    raise ValueError(f"row {row} of {self._rows}")
                file.seek(self._start + int(row) * size)
                _write(file.fileno(), np.ascontiguousarray(value).data.cast("B"))


def _write(number: int, data: memoryview) -> None:
    while data:
        data = data[os.write(number, data) :]
