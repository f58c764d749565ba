"""Independent calculations, shared among processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Found = TypeVar("Found")
_calls: Sequence[Callable[[], Any]] = ()
"""Of a process of the pool."""


def all_of(calls: Sequence[Callable[[], Found]], processes: int) -> list[Found]:
    """What every call returns, in their order.

    Parameters
    ----------
    calls : sequence of callables
        Each depends on nothing that another one changes.
    processes : int
        How many share them. They are forks of this one, so that what the calls hold is copied to none of them.

    Raises
    ------
    Exception
        What the first call that failed has raised.
    """
    if min(processes, len(calls)) < 2:
        return [call() for call in calls]
    pool = ProcessPoolExecutor(processes, mp_context=get_context("fork"), initializer=_take, initargs=(calls,))
    with pool:
        return list(pool.map(_call, range(len(calls))))


def _take(calls: Sequence[Callable[[], Any]]) -> None:
    global _calls
    _calls = calls


def _call(number: int) -> Any:
    return _calls[number]()
