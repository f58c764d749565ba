"""What every settings section shares."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen, and strict about unknown keys: a misspelt setting is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    key: ClassVar[str] = ""
    """Name of the section in settings files; empty for parts of a section."""

    def __init_subclass__(cls, key: str = "", **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.key = key
