"""What every settings section shares."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from tsva.errors import UserError

log = logging.getLogger(__name__)


class Section(BaseModel):
    """Frozen, and strict about unknown keys: a misspelt setting is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: ClassVar[str] = ""
    """Name of the section in settings files; empty for parts of a section."""
    parts: ClassVar[tuple[type[Section], ...]] = ()
    """Sections of settings files that this one is put together from, where it is none itself."""

    def __init_subclass__(cls, key: str = "", **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.key = key


MOVED = {f"pairs.{key}": f"acquisition.{key}" for key in ("delta_um", "offset_sd_um", "offset_max_um", "z_step_um")}
"""Keys that have another place than in former versions."""


def check_moved(key: str, where: str) -> None:
    """Whether an unknown key is one that has moved.

    Raises
    ------
    UserError
        Says where to.
    """
    if key in MOVED:
        raise UserError(
            f"{where}, key {key}",
            got="a key that has moved",
            wanted=MOVED[key],
            do=f"Move it to section {MOVED[key].split('.')[0]}.",
        )


def with_moved(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings with every moved key at its new place, which a warning names.

    Raises
    ------
    UserError
        If a value is at both places.
    """
    out: dict[str, Any] = dict(config)
    for old, new in MOVED.items():
        (section, key), (target, name) = old.split("."), new.split(".")
        held, goal = out.get(section), out.get(target) or {}
        if not isinstance(held, Mapping) or key not in held or not isinstance(goal, Mapping):
            continue
        if name in goal:
            raise UserError(
                f"{where}, key {old}", got=f"a key that has moved, beside {new}", wanted=new, do=f"Delete {old}."
            )
        log.warning("%s, key %s: it has moved; its value is taken for %s", where, old, new)
        out[section] = {one: value for one, value in held.items() if one != key}
        out[target] = {**goal, name: held[key]}
    return out
