"""The nominal microscope: what methods that need a point spread function are told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tsva.settings.base import Section


class OpticsSettings(Section, key="optics"):
    """Objective, light and camera."""

    na: float = Field(default=0.75, gt=0, lt=1.7)
    """Numerical aperture of the objective."""
    refractive_index: float = Field(default=1.0, ge=1.0, le=1.8)
    """Of the immersion medium."""
    wavelengths_um: tuple[float, float, float] = (0.62, 0.54, 0.46)
    """Vacuum wavelengths at the middle of the camera's red, green and blue."""
    bandwidth_um: float = Field(default=0.08, ge=0, le=0.3)
    """Full width at half maximum of each colour's (Gaussian) spectral response; 0 is one wavelength a colour."""
    pixel_um: float = Field(default=0.345, gt=0.01, le=5)
    """Camera pixel in the specimen (the sensor's pixel over the magnification); real images are resampled to it."""
    model: Literal["paper", "born_wolf", "debye"] = "born_wolf"
    """Born & Wolf is the paper's eq. 1 (paraxial); scalar Debye is for high apertures. `paper` is eqs. 1 to 3 as they
    are printed: eq. 1, incoherent light, depth as stage travel, absorption that adds (the two keys below are void)."""
    mountant_index: float | None = Field(default=None, ge=1.0, le=2.0)
    """Refractive index of what the section is embedded in: matter comes into focus after less (dry objective) stage
    travel than its depth. None: depth counts as stage travel. Resinous mountants have 1.49 to 1.55."""
    condenser_ratio: float | None = Field(default=None, ge=0.05, le=1.0)
    """Aperture of the condenser over that of the objective (σ). None: incoherent light, which a fully open condenser,
    1, equals as far as specimens absorb weakly. 0.7 to 0.8 is what Köhler's rule asks for."""

    @model_validator(mode="after")
    def _aperture_fits_medium(self) -> Self:
        if self.na >= self.refractive_index:
            raise ValueError(f"na is {self.na}; wanted less than refractive_index ({self.refractive_index})")
        if any(not 0.2 <= wavelength <= 2 for wavelength in self.wavelengths_um):
            raise ValueError(f"wavelengths_um are {self.wavelengths_um}; wanted micrometres between 0.2 and 2")
        if self.bandwidth_um > min(self.wavelengths_um) / 2:
            raise ValueError(f"bandwidth_um is {self.bandwidth_um}; wanted at most half the shortest of wavelengths_um")
        return self

    @property
    def condenser(self) -> float | None:
        """The condenser's aperture ratio, where the model has one."""
        return None if self.model == "paper" else self.condenser_ratio
