"""Digests of the user's files, remembered by what the file system says of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


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
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._memory.parent, delete=False, encoding="utf-8") as file:
                json.dump(self._known, file)
            Path(file.name).replace(self._memory)
        self._changed = False
