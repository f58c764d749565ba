"""Reading ahead: the next plane is read and decoded while the one before is checked and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Items as they come, each made by a thread of its own while the caller is busy with the one before.

    Codecs and files let other threads run, so that two cores, or one and a slow disk, work at the same time.
    One item waits at most, so that memory holds one more. What making an item raises is raised in its place.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = thread.submit(_next, source)
        while got := coming.result():
            coming = thread.submit(_next, source)
            yield got[0]


def _next(source: Iterator[Item]) -> tuple[Item, ...]:
    """The next item alone, or nothing at the end (which a future can't raise as iterators do)."""
    return tuple(islice(source, 1))
