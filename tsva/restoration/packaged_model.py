"""The networks that come with the package, with their cards: what they were trained on, their digests and scores.

One is for pairs of shots, whose results nobody judges afterwards: it was trained on real textures too, and restores
less. The other is for whole slides, where cells are judged and copied if restoring is not believed: it restores more.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from tsva.errors import UserError

FOLDER = Path(__file__).with_name("models")
Use = Literal["pairs", "slides"]
NAMES: dict[Use, str] = {"pairs": "fusion", "slides": "fusion_slides"}


def packaged_model(use: Use = "pairs") -> Path:
    """Where the checkpoint for this use lies.

    Raises
    ------
    UserError
        If the file is missing or is not the one that the card describes.
    """
    path = FOLDER / f"{NAMES[use]}.ckpt"
    wanted = card(use)["sha256"]
    got = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if got != wanted:
        raise UserError(
            str(path), got=f"SHA-256 {got}", wanted=wanted, do="Install the package anew, or give a checkpoint."
        )
    return path


def card(use: Use = "pairs") -> dict[str, Any]:
    """Its card: training, digest, scores."""
    found: dict[str, Any] = json.loads((FOLDER / f"{NAMES[use]}.json").read_text(encoding="utf-8"))
    return found
