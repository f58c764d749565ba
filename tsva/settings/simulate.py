"""Digital slides and simulated defocus: microscopes, topography, sampling in depth."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tsva.settings.acquisition import OpticsSettings
from tsva.settings.base import Section
from tsva.settings.sheet import NAME, Role

FIELDS: dict[Role, int] = {"train": 3, "dataset1": 1, "dataset2": 1, "refocus": 2}
DRAWS: dict[Role, int] = {"train": 3, "dataset1": 13, "dataset2": 13, "refocus": 0}
Share = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class MicroscopeSettings(Section, key="microscope"):
    """One microscope with its camera. The defaults and where they come from: docs/optics.md."""

    optics: OpticsSettings | None = None
    """Its true optics; none: the nominal ones (section optics). Methods are given the nominal ones in any case."""
    spherical_um: float = Field(default=0.0, ge=-0.2, le=0.2)
    """Primary spherical aberration, root mean square path difference; positive for too thick a cover glass."""
    full_well_e: float = Field(default=27_000, ge=100, le=10_000_000)
    """Electrons that one colour of a camera pixel holds at full scale: sets the photon noise."""
    read_noise_e: float = Field(default=5.0, ge=0, le=1000)
    """Noise of reading out, electrons."""
    white_level: tuple[Share, Share, Share] = (0.92, 0.92, 0.92)
    """Empty glass at the brightest place, red, green, blue, as a share of full scale (exposure and white balance)."""
    falloff: float = Field(default=0.05, ge=0, lt=1)
    """Share of the light that is missing in the corner farthest from the lamp's centre (falls as its square)."""
    lamp_centre: tuple[Fraction, Fraction] = (0.5, 0.5)
    """Where the lamp is brightest, as shares of the field's height and width."""
    z_error_sd_um: float = Field(default=0.03, ge=0, le=1)
    """How far a plane's true position scatters about the one that the stage reports."""
    imaging: Literal["fast", "multislice"] = "fast"
    """fast: transfer functions of depth layers. multislice: Abbe's method, slice by slice and source point by source
    point, some hundred times as slow, for evaluation sets; it needs a condenser_ratio in the optics."""
    source_points: int = Field(default=64, ge=8, le=10_000, multiple_of=2)
    """Of the condenser's disc, for multislice."""


class TopographySettings(Section):
    """The focal surface (paper, section III and Fig. 5)."""

    field_sd_um: float = Field(default=1.0, ge=0, le=20)
    """Standard deviation of the focal position between a slide's fields."""
    tilt_sd_um_per_mm: float = Field(default=2.0, ge=0, le=50)
    """Standard deviation of the slope, along each axis, from slide to slide."""
    waviness_sd_um: float = Field(default=0.15, ge=0, le=20)
    """Standard deviation of the slow waves within a field."""
    waviness_period_um: float = Field(default=150.0, ge=10, le=100_000)
    """Typical distance between their crests."""


class SimulateSettings(Section, key="simulate"):
    """Which fields are simulated, how they lie, and which microscopes take them."""

    fields: dict[Role, Annotated[int, Field(ge=1, le=1000)]] = Field(default=FIELDS, validate_default=True)
    """Fields of a slide, by role; roles that are left out keep their defaults. Of real images: at most so many."""
    field_px: tuple[Annotated[int, Field(ge=64, le=4096)], Annotated[int, Field(ge=64, le=4096)]] = (448, 448)
    """Height and width of a field, camera pixels."""
    z_first_um: float = Field(default=-6.5, ge=-50, lt=0)
    """Lowest plane of a stack; the planes are acquisition.z_step_um apart."""
    z_last_um: float = Field(default=6.5, gt=0, le=50)
    """Highest plane of a stack."""
    clean_within_um: float = Field(default=1.5, ge=0, le=20)
    """Planes this near the true focus are written without noise, too."""
    draws: dict[Role, Annotated[int, Field(ge=0, le=100)]] = Field(default=DRAWS, validate_default=True)
    """Pairs of shots at continuous offsets of a field, by role: those of training slides verify, those of test sets are
    scored. Roles that are left out keep their defaults; one number is for all roles."""
    layer_spacing_um: float = Field(default=0.5, ge=0.05, le=5)
    """Distance between the depth layers of eqs. 2 and 3."""
    section_layers: int = Field(default=1, ge=1, le=8)
    """Layers of digital tissue that differ in depth and absorb one after the other; 1: the section is extruded."""
    fine_detail: float = Field(default=0.0, ge=0, le=3)
    """Strength of fine detail of digital tissue: 1 gives it the spectrum of real sections, 0 leaves it out."""
    image_thickness_um: float = Field(default=2.0, ge=0, le=20)
    """Source image: depth over which the picture's matter is spread."""
    topography: TopographySettings = TopographySettings()
    microscopes: dict[Annotated[str, Field(pattern=NAME)], MicroscopeSettings] = Field(
        default={
            "nominal": MicroscopeSettings(),
            "other_lab": MicroscopeSettings(
                optics=OpticsSettings(model="debye"),
                spherical_um=0.022,
                full_well_e=16_000,
                read_noise_e=16.0,
                white_level=(0.90, 0.87, 0.93),
                falloff=0.08,
                lamp_centre=(0.45, 0.6),
                z_error_sd_um=0.05,
            ),
        },
        min_length=1,
    )
    """Microscopes by name, for the slide sheet's column; the first one is used where that is empty."""

    @field_validator("fields", mode="before")
    @classmethod
    def _defaults_for_other_roles(cls, value: Any) -> Any:
        return {**FIELDS, **value} if isinstance(value, dict) else value

    @field_validator("draws", mode="before")
    @classmethod
    def _draws_of_all_roles(cls, value: Any) -> Any:
        if isinstance(value, int):
            return dict.fromkeys(DRAWS, value)
        return {**DRAWS, **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _layers_fit_the_optics(self) -> Self:
        for name, microscope in self.microscopes.items():
            optics = microscope.optics
            if optics is not None and self.layer_spacing_um > 2 * optics.refractive_index / optics.na**2:
                raise ValueError(
                    f"layer_spacing_um is {self.layer_spacing_um}; wanted at most twice n/NA² of microscope {name}"
                    f" ({2 * optics.refractive_index / optics.na**2:.2f})"
                )
        return self
