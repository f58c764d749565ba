"""Finding the in-focus plane, and when not to believe it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tsva.settings.base import Section


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
