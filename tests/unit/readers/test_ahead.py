"""Reading ahead changes the time that reading takes, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tsva.readers.stack_file import read_ahead


def test_items_come_in_order() -> None:
    assert list(read_ahead(range(7))) == list(range(7))
    assert list(read_ahead(())) == []
    assert list(read_ahead([None, (), 0])) == [None, (), 0]


def test_an_error_comes_in_its_place() -> None:
    def two() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    ahead = read_ahead(two())
    assert (next(ahead), next(ahead)) == (1, 2)
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_one_item_is_made_while_another_is_in_use_and_no_more() -> None:
    made, threads, second = [], set(), threading.Event()

    def counted() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            threads.add(threading.get_ident())
            if number == 1:
                second.set()
            yield number

    ahead = read_ahead(counted())
    assert next(ahead) == 0
    assert second.wait(10)
    assert made == [0, 1]
    assert threading.get_ident() not in threads
    ahead.close()  # type: ignore[attr-defined]
    assert made == [0, 1]
