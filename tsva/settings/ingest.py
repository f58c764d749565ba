"""Reading z-stacks."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


class IngestSettings(Section, key="ingest"):
    """What a stack has to be like to be taken in."""

    require_regular_z: bool = True
    """Refuse stacks whose planes are not evenly spaced, as pairs need even steps. False reads them for focus alone."""
    max_field_px: int = Field(default=4096, ge=256, le=16_384)
    """Planes of z-stacks that are wider or higher, such as whole slides, are cut into equal fields of at most this."""
