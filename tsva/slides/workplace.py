"""What a broken run is resumed by: digests that show whether it is the same one, the folder of its work, and a journal.

The journal is an append-only file of finished work: what a killed run has done is not done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple

import imagecodecs

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


MAGIC = b"tsva journal 1\n"
DIGEST_BYTES = 32
RECORD = struct.Struct("<BBIIIQ")
"""Kind, level, row, column, checksum, length of what follows."""
SYNC_BYTES = 64 << 20
"""Written to the disk at least this often: a power cut loses no more."""


class Key(NamedTuple):
    """What a record holds: a kind (`TILE`, `VERDICTS` or `THUMBNAIL`), a level, and a place in the grid."""

    kind: int
    level: int
    row: int
    column: int


TILE, VERDICTS, THUMBNAIL = 1, 2, 3


class Journal:
    """An open journal; made by `open_journal`."""

    def __init__(self, path: Path, file: BinaryIO, places: dict[Key, tuple[int, int]]) -> None:
        self._path, self._file, self._places = path, file, places
        self._end, self._unsynced, self._lock = file.seek(0, os.SEEK_END), 0, Lock()

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def keys(self, kind: int) -> list[Key]:
        """Of all records of a kind, sorted."""
        return sorted(key for key in self._places if key.kind == kind)

    def size(self, key: Key) -> int:
        """Bytes of a record's content."""
        return self._places[key][1]

    def append(self, key: Key, content: bytes) -> None:
        """Add a record; a second one of the same key takes the place of the first.

        Raises
        ------
        OSError
            If the disk is full; the torn record is left out when the journal is opened again.
        """
        head = RECORD.pack(*key, _checksum(key, content), len(content))
        with self._lock:
            self._file.write(head + content)
            self._file.flush()
            self._places[key] = (self._end + RECORD.size, len(content))
            self._end += RECORD.size + len(content)
            self._unsynced += len(content)
            if self._unsynced > SYNC_BYTES:
                os.fsync(self._file.fileno())
                self._unsynced = 0

    def read(self, key: Key) -> bytes:
        """Content of a record.

        Raises
        ------
        UserError
            If the file has changed since it was opened.
        KeyError
            If there is none.
        """
        place, length = self._places[key]
        content = os.pread(self._file.fileno(), length, place)
        head = os.pread(self._file.fileno(), RECORD.size, place - RECORD.size)
        if len(head) < RECORD.size or RECORD.unpack(head)[-2] != _checksum(key, content):
            raise UserError(
                str(self._path),
                got="a record that has changed since it was written",
                wanted="a file that nothing else writes to",
                do="Run the same command again: what is damaged is made anew.",
            )
        return content


@contextmanager
def open_journal(path: Path, digest: str) -> Iterator[Journal]:
    """Open a journal, or begin one; what follows the last sound record is cut off.

    Parameters
    ----------
    path : Path
    digest : str
        Of the plan that its records belong to, at most 32 characters.

    Raises
    ------
    UserError
        If it belongs to another plan.
    """
    start = MAGIC + digest.encode().ljust(DIGEST_BYTES)
    with path.open("a+b") as file:
        file.seek(0)
        there = file.read(len(start))
        if there != start:
            if len(there) == len(start):
                raise UserError(
                    str(path),
                    got="finished tiles of another run",
                    wanted="tiles of this slide, model and settings",
                    do="Delete the folder that it lies in, or give the same inputs as before.",
                )
            file.truncate(0)  # killed while it began
            file.write(start)
            file.flush()
        places, end = _sound_records(file, len(start))
        if end < path.stat().st_size:
            log.warning("%s: %d bytes of torn or damaged records are left out", path, path.stat().st_size - end)
            file.truncate(end)
        yield Journal(path, file, places)
        os.fsync(file.fileno())


def _sound_records(file: BinaryIO, start: int) -> tuple[dict[Key, tuple[int, int]], int]:
    """Places of all records up to the first that is torn or damaged, and where that begins."""
    size = os.fstat(file.fileno()).st_size
    places: dict[Key, tuple[int, int]] = {}
    file.seek(start)
    while True:
        head = file.read(RECORD.size)
        if len(head) < RECORD.size:
            return places, start
        kind, level, row, column, checksum, length = RECORD.unpack(head)
        if start + RECORD.size + length > size:
            return places, start
        key = Key(kind, level, row, column)
        if _checksum(key, file.read(length)) != checksum:
            return places, start
        places[key] = (start + RECORD.size, length)
        start += RECORD.size + length


def _checksum(key: Key, content: bytes) -> int:
    head = imagecodecs.deflate_crc32(RECORD.pack(*key, 0, len(content)))
    return int(imagecodecs.deflate_crc32(content, head))
