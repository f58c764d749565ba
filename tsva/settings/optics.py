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
    model: Literal["born_wolf", "debye"] = "born_wolf"
    """Born & Wolf is the paper's eq. 1 (paraxial); scalar Debye is for high apertures."""

    @model_validator(mode="after")
    def _aperture_fits_medium(self) -> Self:
        if self.na >= self.refractive_index:
            raise ValueError(f"na is {self.na}; wanted less than refractive_index ({self.refractive_index})")
        if any(not 0.2 <= wavelength <= 2 for wavelength in self.wavelengths_um):
            raise ValueError(f"wavelengths_um are {self.wavelengths_um}; wanted micrometres between 0.2 and 2")
        if self.bandwidth_um > min(self.wavelengths_um) / 2:
            raise ValueError(f"bandwidth_um is {self.bandwidth_um}; wanted at most half the shortest of wavelengths_um")
        return self
