"""Digests that tell whether a broken run may be resumed: of input files, settings and models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tsva.readers.registry import files_at

SAMPLES, SAMPLE_BYTES = 64, 1 << 16
"""A slide of many gigabytes is not read a second time for its digest: evenly spread parts of each file are."""


def digest_of_files(paths: Iterable[Path], *told: object) -> str:
    """Digest of the sizes of files and of evenly spread parts of them, and of what else is told.

    Parameters
    ----------
    paths : iterable of Path
        Files, or folders with all that lies in them.
    *told
        What else decides the pixels (chosen planes, pixel size); shown by ``repr``.
    """
    found = hashlib.blake2b(repr(told).encode(), digest_size=16)
    for path in paths:
        for file in files_at(path):
            size = file.stat().st_size
            found.update(f"{size}:".encode())
            with file.open("rb") as opened:
                for place in sorted({number * max(size - SAMPLE_BYTES, 0) // SAMPLES for number in range(SAMPLES + 1)}):
                    opened.seek(place)
                    found.update(opened.read(SAMPLE_BYTES))
    return found.hexdigest()


def digest_of_file(path: Path) -> str:
    """Digest of all bytes of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def digest_of_values(values: Any) -> str:
    """Digest of what JSON can hold, whatever the order of its keys."""
    return hashlib.blake2b(json.dumps(values, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
