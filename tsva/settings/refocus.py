"""Using a trained network."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section

JPEG_QUALITY = 100
"""Of the JPEG tiles of a whole slide, unless a user asks for less.

A copied cell has no error but its camera's noise, and is not to leave worse than it came. JPEG adds 0.2 dB to a
noise of 2.1 to 2.5 levels at 100, 0.3 dB at 99 and 0.6 dB at 98 (benchmarks/jpeg_noise.py).
"""


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
