"""Settings files of jobs: each named by a digest of what it holds, and never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsva.storage.atomic import fresh_file


def freeze(values: Mapping[str, Any], folder: Path, stage: str) -> Path:
    """Write settings to a file whose name changes with its content.

    Parameters
    ----------
    values : mapping
        What JSON can hold.
    folder : Path
        Made where absent.
    stage : str
        Beginning of the file's name.

    Returns
    -------
    Path
        ``<folder>/<stage>-<digest>.json``; written if it is absent or was changed by hand.
    """
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    file = folder / f"{stage}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        with fresh_file(file) as part:
            part.write_text(text, encoding="utf-8")
    return file
