"""Reading z-stacks and finding their in-focus planes: what is believed and what is not."""

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


class FocusSettings(Section, key="focus"):
    """How sharpness is measured, and thresholds below which its curve is not evidence of focus."""

    sharpness: Literal["normalised_brenner", "brenner"] = "normalised_brenner"
    """The Brenner gradient of planes brought to the same mean brightness, or as they are (the paper's). The plain one
    rises with the square of brightness: a lamp that varies from plane to plane moves its maximum."""
    min_tissue_fraction: float = Field(0.05, ge=0, le=1)
    """A patch with tissue on less of its area is blank; a field is blank if all its patches are."""
    min_peak_ratio: float = Field(1.15, ge=1)
    """The sharpest plane's Brenner gradient over the median plane's, both less the camera's noise."""
    max_second_peak: float = Field(0.5, gt=0, le=1)
    """A second maximum that stands higher than this above the valley between, as a share of the first one's height
    above noise, leaves it open which of the two is the focus."""
    max_edge_shift_px: float = Field(1.0, gt=0, le=100)
    """Fields whose planes lie farther beside the in-focus plane, or differ in magnification so much that content at
    the field's edge moves farther, are warned of."""
