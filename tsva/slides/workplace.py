"""The folder of a run that has not ended: beside the output, one process at a time."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsva.errors import UserError

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
