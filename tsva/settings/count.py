"""Cell counting as ImageJ does it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tsva.settings.base import Section

ThresholdMethod = Literal[
    "default",
    "otsu",
    "isodata",
    "li",
    "triangle",
    "huang",
    "intermodes",
    "max_entropy",
    "mean",
    "minimum",
    "moments",
    "percentile",
    "yen",
]


class NucleiSettings(Section):
    """Nuclei by their stain, counted beside ImageJ's particles."""

    stain: Literal["h_e", "h_dab"] = "h_e"
    """Haematoxylin with eosin, or with diaminobenzidine (brown); nuclei are where haematoxylin is."""
    smoothing_um: float = Field(0.35, ge=0, le=5)
    """Standard deviation of the smoothing, of stain and of the depth that markers come from."""
    min_density: float = Field(0.12, gt=0, le=3)
    """Haematoxylin in nuclei has at least this optical density (base ten), whatever the automatic threshold says."""
    split_um: float = Field(0.1, gt=0, le=5)
    """Touching nuclei are parted where the distance to the background dips by this much between them."""
    min_area_um2: float = Field(8.0, ge=0)
    """Smaller ones are not counted."""


class CountSettings(Section, key="count"):
    """ImageJ's four steps: grey, brightness and contrast, threshold, particles. The paper names no values."""

    contrast: Literal["none", "minmax", "saturation", "normalize"] = "saturation"
    """Stretch from the darkest to the lightest pixel (minmax) or between saturated ends: "Enhance Contrast", then
    "Apply" (saturation), or with "Normalize" (normalize)."""
    saturated_percent: float = Field(0.35, ge=0, lt=100)
    """Pixels that end up black or white, half of them at either end."""
    threshold: ThresholdMethod = "otsu"
    """ImageJ's automatic threshold of that name; nuclei are what is darker."""
    fill_holes: bool = True
    """Fill what lies wholly inside nuclei."""
    watershed: bool = False
    """Part touching nuclei at their necks."""
    min_area_um2: float = Field(12.0, ge=0)
    """Smaller particles are not counted."""
    max_area_um2: float = Field(2000.0, gt=0)
    """Larger particles are not counted."""
    exclude_edges: bool = False
    """Leave out particles that touch the patch's border."""
    include_holes: bool = False
    """Holes belong to a particle's area, and what lies in them is not counted on its own."""
    nuclei: NucleiSettings = NucleiSettings()

    @model_validator(mode="after")
    def _areas_rise(self) -> Self:
        if self.min_area_um2 > self.max_area_um2:
            raise ValueError(f"min_area_um2 is {self.min_area_um2}; wanted at most max_area_um2 ({self.max_area_um2})")
        return self
