"""Using a trained network, and parameters of the methods without training."""

from __future__ import annotations

from pydantic import Field, field_validator

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


class BaselineSettings(Section, key="baselines"):
    """What the methods of section methods are run with."""

    kernel_px: int = Field(15, ge=3, le=101)
    """Edge of the blur kernel that the blind deblurring methods look for; odd."""
    richardson_lucy_iterations: int = Field(10, ge=1, le=1000)
    """More sharpen, and amplify the noise."""
    denoise_strength: float = Field(0.8, gt=0, le=5)
    """Filter strength of non-local means, in standard deviations of the noise that is estimated in each patch."""
    section_thickness_um: float = Field(3.25, ge=0, le=50)
    """Wiener restoration takes the section to be this thick about the focal surface; 0: the textbooks' flat one."""
    structure_depth_um: float = Field(1.5, gt=0, le=50)
    """How deep a structure reaches into the section, standard deviation: between layers that have nothing in common and
    one drawing all through. Defaults: where digital training slides' shots are likely and their offsets unbiased."""
    offset_reach_um: float = Field(4.0, gt=0, le=20)
    """Focal offsets are looked for from minus to plus this."""

    @field_validator("kernel_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"kernel_px is {value}; wanted an odd number, so that the kernel has a middle")
        return value
