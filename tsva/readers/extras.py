"""Libraries of formats that not everyone has."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from tsva.errors import UserError
from tsva.readers.pixels import unreadable


def needed(module: str, extra: str, where: str) -> ModuleType:
    """Import a module of an optional dependency.

    Raises
    ------
    UserError
        If it isn't installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(
            where,
            got=f"a file that {module.split('.')[0]} reads, which is not installed",
            wanted=f"the extra {extra!r}",
            do=f"Install it (pip install 'tsva[{extra}]'), or export as OME-TIFF.",
        ) from None


@contextmanager
def reading_by_library(where: str) -> Iterator[None]:
    """Tell whatever a library raises within the block as a damaged file: these ones raise anything over damage.

    Raises
    ------
    UserError
        Names the file.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise unreadable(where, error) from None
