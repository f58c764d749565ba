"""Libraries that only some formats need."""

from __future__ import annotations

import importlib
from types import ModuleType

from tsva.errors import UserError


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
