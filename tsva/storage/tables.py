"""Tables: tab-separated text with a header line; an empty cell means "does not apply"."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

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
