"""Arrays and JSON that stages hand to each other, told by name where they are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tsva.errors import UserError


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
