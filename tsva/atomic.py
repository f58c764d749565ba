"""Outputs that appear under their names only when complete."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, renamed to `folder` (which it replaces) only when the block ends well.

    A second process that wants the same folder waits for the first.
    """
    part = folder.with_name(folder.name + ".part")
    lock = part / ".lock"
    with _alone(lock):
        for left in part.iterdir():  # by a process that was killed
            if left != lock:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield part
        lock.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` only when the block ends well; the suffix stays the same.

    A second process that wants the same file waits for the first.
    """
    part = path.with_name(f".part-{path.name}")
    with _alone(part):
        yield part
        part.replace(path)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock of a file, made where absent.

    On a cluster a job may outlive the workflow that submitted it, and meet the same job of the workflow's next run.
    """
    while True:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = place.open("ab")
        except FileNotFoundError:  # whoever held it renamed the folder just now
            continue
        with file:
            _lock(file.fileno(), place)
            if _is_still(file.fileno(), place):
                yield
                return


def _is_still(number: int, place: Path) -> bool:
    """Whether an open file still lies where it was opened."""
    try:
        return os.fstat(number).st_ino == place.stat().st_ino
    except FileNotFoundError:
        return False


def _lock(number: int, place: Path) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("%s: another process is writing this; waiting for it", place)
        fcntl.flock(number, fcntl.LOCK_EX)
    except OSError as error:  # a file system without locks
        log.warning("%s: not protected against a second job that writes the same (%s)", place, error.strerror)
