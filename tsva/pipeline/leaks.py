"""Content of the user's files: digests that are remembered, and images that stand in several rows of the sheet."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.readers.name_patterns import NamePattern
from tsva.settings.sheet import SlideRow


class Contents:
    """Content digests with a memory.

    Time stamps alone miss a file that was replaced under an old one (``cp -p``, ``rsync -a``), and hashing everything
    at every start is slow. A file is hashed again when its size, modification, change time or inode differ.

    Parameters
    ----------
    memory : Path, optional
        JSON file that remembers; made anew when unreadable, and not written where that isn't allowed. None: forgets.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known: dict[str, list[str]] = {}
        if memory is not None:
            with contextlib.suppress(OSError, ValueError):
                self._known = json.loads(memory.read_text(encoding="utf-8"))
        self._changed = False

    def digest(self, paths: Iterable[Path], root: Path) -> str:
        """Digest of names (relative to `root`) and contents of files, whatever their order."""
        whole = hashlib.sha256()
        for path in sorted(paths):
            name = os.path.relpath(path, root)
            whole.update(f"{name}\0{self.of_file(path)}\n".encode())
        self._save()
        return whole.hexdigest()[:16]

    def of_file(self, path: Path) -> str:
        """Digest of one file's content, remembered when `digest` is called next."""
        status = path.stat()
        key = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
        name = os.fspath(path.absolute())
        known = self._known.get(name)
        if known is None or known[0] != key:
            with path.open("rb") as file:
                known = self._known[name] = [key, hashlib.file_digest(file, "sha256").hexdigest()]
            self._changed = True
        return known[1]

    def _save(self) -> None:
        if self._memory is None or not self._changed:
            return
        with contextlib.suppress(OSError), fresh_file(self._memory) as part:
            part.write_text(json.dumps(self._known), encoding="utf-8")
        self._changed = False


LEAST_BYTES = 4096
"""Smaller files may be equal by chance: an evenly black or white plane takes less."""
NO_IMAGES = (".txt", ".xml", ".ome", ".json", ".csv", ".tsv", ".ini", ".log", ".db", ".dat", ".md", ".pdf")
"""Endings of what microscopes write beside images, equal in many folders."""


def check_leaks(
    rows: Mapping[int, SlideRow], files: Mapping[str, Sequence[Path]], sheet: Path, contents: Contents
) -> None:
    """Refuse a sheet that names an image twice.

    Parameters
    ----------
    rows : mapping of int to SlideRow
        Rows by their number.
    files : mapping of str to sequence of Path
        The user's files behind each slide.
    sheet : Path
        The slide sheet; paths of its rows are relative to its folder.
    contents : Contents
        Remembers digests.

    Raises
    ------
    UserError
        If two rows that train or test name the same file, directly, by patterns that overlap or by links, or two files
        of the same content. One image may stand in several rows of one patient, as defocus is simulated on it by
        several microscopes, and slides to refocus may be those that trained.
    """
    by_path: dict[str, tuple[int, Path]] = {}
    by_content: dict[str, tuple[int, Path]] = {}
    for number, row in rows.items():
        if row.role == "refocus":
            continue
        for path in _images(row, files[row.slide], sheet.parent, number):
            real = os.path.realpath(path)
            first = by_path.setdefault(real, (number, path))
            same = "the same file"
            if first[0] == number and _is_compared(path):
                first = by_content.setdefault(contents.of_file(path), (number, path))
                same = "a file of the same content"
            if first[0] != number and not _may_share(row, rows[first[0]]):
                raise UserError(
                    f"{sheet}, row {number}, column path",
                    got=f"{path} of slide {row.slide}, and {same}, {first[1]}, in row {first[0]}"
                    f" (slide {rows[first[0]].slide})",
                    wanted="each image in one row alone, so that nothing is tested on what it was trained on",
                    do="Take one of the rows out, or correct its path or pattern.",
                )


def _images(row: SlideRow, files: Sequence[Path], folder: Path, number: int) -> Iterator[Path]:
    """The files that a row's pattern takes; all of them without one."""
    if row.source != "planes" or not (folder / row.path).is_dir():
        yield from files
        return
    pattern = NamePattern(row.pattern, row.z_step_um, f"row {number}")
    for path in files:
        if pattern.match(path.relative_to(folder / row.path).as_posix()):
            yield path


def _is_compared(path: Path) -> bool:
    """Whether equal content is evidence: not of chunks that hold a constant, and not of text beside images."""
    if path.name.startswith(".") or path.suffix.lower() in NO_IMAGES or ".zarr" in path.as_posix().lower():
        return False
    return path.stat().st_size >= LEAST_BYTES


def _may_share(row: SlideRow, other: SlideRow) -> bool:
    return row.source == other.source == "image" and row.patient == other.patient
