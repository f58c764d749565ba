"""Calls that are shared among processes."""

from __future__ import annotations

import os
from functools import partial

import pytest

from tsva.processes import all_of


@pytest.mark.parametrize("processes", [1, 2, 9])
def test_what_calls_return_comes_in_their_order(processes: int) -> None:
    unpicklable = [lambda number=number: number**2 for number in range(7)]
    assert all_of(unpicklable, processes) == [0, 1, 4, 9, 16, 25, 36]
    assert all_of([], processes) == []
    others = {*all_of([os.getpid] * 7, processes)} - {os.getpid()}
    assert bool(others) == (processes > 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_is_raised_as_it_was(processes: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        all_of([partial(int, "1"), partial(int, "one")], processes)
