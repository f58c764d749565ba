"""What a broken run is resumed by: digests that show whether it is the same one, and the folder of its work."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsva.errors import UserError
from tsva.readers.registry import files_at

SAMPLES, SAMPLE_BYTES = 64, 1 << 16
"""A slide of many gigabytes is not read a second time for its digest: evenly spread parts of each file are."""


def digest_of_files(paths: Iterable[Path], *said: object) -> str:
    """Digest of the sizes of files and of evenly spread parts of them, and of whatever else is given.

    Parameters
    ----------
    paths : iterable of Path
        Files, or folders with all that lies in them.
    *said
        What else decides the pixels (chosen planes, pixel size); shown by ``repr``.
    """
    found = hashlib.blake2b(repr(said).encode(), digest_size=16)
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


log = logging.getLogger(__name__)


def workplace_of(out: Path) -> Path:
    """Where an output's unfinished work lies."""
    return out.with_name(f"{out.name}.unfinished")


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """Hold the folder of an output's unfinished work; it is removed when the block ends well.

    Raises
    ------
    UserError
        If another process holds it.
    """
    folder = workplace_of(out)
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / "lock").open("a+b")
        except FileNotFoundError:  # whoever held it removed the folder just now
            continue
        with file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    str(out),
                    got="another process that restores this slide",
                    wanted="one at a time",
                    do="Wait for it, or give another output.",
                ) from None
            except OSError as error:  # a file system without locks
                log.warning("%s: not protected against a second process (%s)", folder, error.strerror)
            if not _is_still(file.fileno(), folder / "lock"):
                continue
            yield folder
            shutil.rmtree(folder)
            return


def _is_still(number: int, path: Path) -> bool:
    try:
        return os.fstat(number).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
