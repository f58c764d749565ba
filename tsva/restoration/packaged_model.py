"""The network that comes with the package, with its card: what it was trained on, its digest and its scores."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tsva.errors import UserError

FOLDER, NAME = Path(__file__).with_name("models"), "fusion"


def packaged_model() -> Path:
    """Where its checkpoint lies.

    Raises
    ------
    UserError
        If the file is missing or is not the one that the card describes.
    """
    path = FOLDER / f"{NAME}.ckpt"
    wanted = card()["sha256"]
    got = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if got != wanted:
        raise UserError(
            str(path), got=f"SHA-256 {got}", wanted=wanted, do="Install the package anew, or give a checkpoint."
        )
    return path


def card() -> dict[str, Any]:
    """Its card: training, digest, scores."""
    found: dict[str, Any] = json.loads((FOLDER / f"{NAME}.json").read_text(encoding="utf-8"))
    return found
