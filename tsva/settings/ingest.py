"""Reading z-stacks."""

from __future__ import annotations

from tsva.settings.base import Section


class IngestSettings(Section):
    """What a stack has to be like to be taken in."""

    require_regular_z: bool = True
    """Refuse stacks whose planes are not evenly spaced, as pairs need even steps. False reads them for focus alone."""
