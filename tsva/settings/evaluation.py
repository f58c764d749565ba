"""What is made of results: counts of nuclei, the report, advice on how to scan, and packages of networks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

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


class ReportSettings(Section, key="report"):
    """Statistics and pictures of the stage evaluate."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Probability with which an interval over slides is to hold the true mean."""
    examples: int = Field(default=4, ge=0, le=40)
    """Example patches shown per data set."""
    worst: int = Field(default=8, ge=0, le=40)
    """Further patches shown per data set: those at which the lead method gained least over Y1 as captured."""
    first_look: bool = True
    """Write results/first_look/index.html early: pictures of one slide while the run goes on."""


Distance = Annotated[float, Field(gt=0, le=10)]
Tissue = Literal["glandular", "epithelial", "stromal", "fatty", "lymphoid", "muscle", "skin"]


class AdviseSettings(Section, key="advise"):
    """What the stage advise simulates. Optics and focal spread are those of sections optics and acquisition."""

    deltas_um: tuple[Distance, ...] = Field((0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0), min_length=3)
    """Distances of either shot from F that are compared, rising."""
    tissues: tuple[Tissue, ...] = Field(
        ("glandular", "epithelial", "stromal", "fatty", "lymphoid", "muscle"), min_length=1
    )
    """Kinds of digital tissue."""
    specimens: int = Field(8, ge=2, le=1000)
    """Specimens, kind after kind in turn; intervals are over them."""
    offsets: int = Field(6, ge=1, le=1000)
    """Offsets of F for each specimen: one in each part of the Gaussian of equal probability, anywhere within it."""
    field_px: int = Field(192, ge=64, le=1024)
    """Edge of a specimen's image."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.deltas_um) != sorted(set(self.deltas_um)):
            raise ValueError(f"deltas_um are {list(self.deltas_um)}; wanted rising, each once")
        return self


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


class ExportSettings(Section, key="export"):
    """What a package of a trained network says of who made it."""

    authors: tuple[str, ...] = ()
    """Names; the BioImage Model Zoo wants at least one."""
    license: str | None = Field(None, min_length=2)
    """SPDX identifier of the weights' licence, e.g. CC-BY-4.0; the BioImage Model Zoo wants one."""
