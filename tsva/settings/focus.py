"""Finding the in-focus plane, and when not to believe it."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


class FocusSettings(Section):
    """Thresholds below which a sharpness curve is not evidence of focus."""

    min_tissue_fraction: float = Field(0.05, ge=0, le=1)
    """A field or patch with less of its area stained is called blank."""
    min_peak_ratio: float = Field(1.15, ge=1)
    """The sharpest plane's Brenner gradient over the median plane's, both less the camera's noise."""
