"""A scanner and a slide, as the planner of scan times needs to know them."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tsva.settings.base import Section


class ScanSettings(Section):
    """Stage, focus drive, camera, slide, and computing time."""

    area_width_mm: float = Field(15.0, gt=0, le=100)
    """Width of the scanned area."""
    area_height_mm: float = Field(15.0, gt=0, le=100)
    """Height of the scanned area."""
    tile_width_px: int = Field(1224, gt=0, le=20_000)
    """Width of the camera's image."""
    tile_height_px: int = Field(1024, gt=0, le=20_000)
    """Height of the camera's image."""
    pixel_um: float = Field(0.345, gt=0.01, le=10)
    """Pixel size in the specimen."""
    overlap: float = Field(0.1, ge=0, lt=0.9)
    """Share of a tile's edge that its neighbour repeats."""
    planes: int = Field(20, ge=2, le=1000)
    """Planes of a stack that serves to find the focus; the shot in focus comes on top."""
    z_step_um: float = Field(0.5, gt=0, le=50)
    """Distance of the planes."""
    delta_um: float = Field(0.5, gt=0, le=50)
    """Shot offset: the two shots are 2 delta_um apart."""
    map_every: int = Field(9, ge=1)
    """Of a focus map: a stack is taken at every so many tiles."""
    focus_change_um: float = Field(1.0, ge=0, le=100)
    """Typical difference in focus of neighbouring tiles, which the focus drive follows with a stack or a map."""
    stage_speed_mm_per_s: float = Field(20.0, gt=0)
    """Greatest speed of the stage across the slide."""
    stage_acceleration_mm_per_s2: float = Field(200.0, gt=0)
    """Acceleration of the stage, up and down alike."""
    stage_settle_ms: float = Field(50.0, ge=0)
    """From the stage's stop until an image is sharp."""
    z_speed_mm_per_s: float = Field(1.0, gt=0)
    """Greatest speed of the focus drive."""
    z_acceleration_mm_per_s2: float = Field(20.0, gt=0)
    """Acceleration of the focus drive."""
    z_settle_ms: float = Field(20.0, ge=0)
    """From the focus drive's stop until an image is sharp."""
    exposure_ms: float = Field(5.0, gt=0)
    """Of one shot."""
    readout_ms: float = Field(20.0, ge=0)
    """Of one shot, during which nothing may move."""
    compute_s_per_mp: float = Field(0.21, ge=0)
    """Seconds to restore a million pixels on one worker, as measured."""
    workers: int = Field(1, ge=1)
    """Tiles that are restored side by side."""

    @model_validator(mode="after")
    def _stack_spans_the_shots(self) -> Self:
        depth_um = (self.planes - 1) * self.z_step_um
        if depth_um < 2 * self.delta_um:
            raise ValueError(f"delta_um is {self.delta_um}; wanted at most half of the stack's depth, {depth_um / 2:g}")
        return self

    @property
    def tile_um(self) -> tuple[float, float]:
        """Width and height of a tile in the specimen."""
        return self.tile_width_px * self.pixel_um, self.tile_height_px * self.pixel_um
