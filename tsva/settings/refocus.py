"""Using a trained network."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


class RefocusSettings(Section, key="refocus"):
    """How images go through a network, and where the shots of a slide of role refocus lie."""

    tile_px: int = Field(512, ge=32, le=8192)
    """Larger images go through in tiles whose cores have this edge; memory grows with its square."""
    batch: int = Field(8, ge=1, le=1024)
    """Patches that go through at a time."""
    initial_focal_position_um: float = 0.0
    """F: slides of role refocus are taken at the two planes nearest F - delta_um and F + delta_um."""
    position_tolerance_um: float = Field(0.1, ge=0, le=10)
    """How far those planes may lie from where they should."""
