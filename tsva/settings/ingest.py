"""Reading z-stacks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tsva.settings.base import Section


class IngestSettings(Section, key="ingest"):
    """What a stack has to be like to be taken in."""

    require_regular_z: bool = True
    """Refuse stacks whose planes are not evenly spaced, as pairs need even steps. False reads them for focus alone."""
    max_field_px: int = Field(default=4096, ge=256, le=16_384)
    """Planes of z-stacks that are wider or higher, such as whole slides, are cut into equal fields of at most this."""
    max_brightness_spread: float = Field(default=0.01, ge=0, le=1)
    """Fields whose planes differ by more in mean brightness (brightest less darkest, as a share of the median) are
    warned of. Defocus keeps the mean; lamps, exposure times and automatic contrast change it."""
    match_brightness: bool = False
    """Bring each channel of each plane to the median brightness of its stack. Said in every table of the report.
    Simulated stacks have a steady lamp and stay as they are."""
    stretched_planes: Literal["refuse", "accept"] = "refuse"
    """Planes that were stretched each to its own range of grey levels, in slides to train or test with."""
    crop_planes: bool = False
    """Cut planes of one field that differ in size about their centres, to that of the smallest; false refuses them."""
