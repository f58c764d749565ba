"""What every settings section shares."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from tsva.errors import UserError


class Section(BaseModel):
    """Frozen, and strict about unknown keys: a misspelt setting is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
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
