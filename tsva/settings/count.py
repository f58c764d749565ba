"""Cell counting as ImageJ does it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tsva.settings.base import Section


class CountSettings(Section):
    """ImageJ's four steps: grey, brightness and contrast, threshold, particles."""

    contrast: Literal["none", "minmax", "saturation"] = "saturation"
    saturated_percent: float = Field(0.35, ge=0, lt=100)
    threshold: Literal["default", "otsu"] = "otsu"
    fill_holes: bool = True
    min_area_um2: float = Field(12.0, ge=0)
    max_area_um2: float = Field(2000.0, gt=0)
    exclude_edges: bool = False
