"""The nominal microscope, the two shots, patches and their split."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

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


class AcquisitionSettings(Section, key="acquisition"):
    """Where a scanner takes the two shots, and how far it misses the focus (paper, section IV.B)."""

    delta_um: float = Field(0.5, gt=0, le=10)
    """The two shots are taken at F - delta_um and F + delta_um."""
    offset_sd_um: float = Field(1.0, gt=0, le=10)
    """Standard deviation of the focal offset, of F from the true focus."""
    offset_max_um: float = Field(3.0, gt=0, le=20)
    """Focal offsets run from minus to plus this, on the stack's grid."""
    z_step_um: float = Field(0.5, gt=0, le=10)
    """Distance between the planes of every stack that pairs are cut from."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        for key in ("delta_um", "offset_max_um"):
            steps = getattr(self, key) / self.z_step_um
            if abs(steps - round(steps)) > 1e-6:
                raise ValueError(
                    f"{key} is {getattr(self, key)}; wanted a whole number of z_step_um ({self.z_step_um})"
                )
        return self

    @property
    def delta_planes(self) -> int:
        """Planes from F to either shot."""
        return round(self.delta_um / self.z_step_um)

    def shot_planes(self, focal_offset_um: float) -> tuple[int, int]:
        """Planes from the in-focus plane to the low and the high shot, at an offset of the grid."""
        f = round(focal_offset_um / self.z_step_um)
        return f - self.delta_planes, f + self.delta_planes

    @property
    def reach_planes(self) -> int:
        """Planes on either side of the in-focus plane that a shot can fall on."""
        return round((self.offset_max_um + self.delta_um) / self.z_step_um)

    @property
    def offsets_um(self) -> tuple[float, ...]:
        """The grid's offsets, rising (thirteen in the paper)."""
        steps = round(self.offset_max_um / self.z_step_um)
        return tuple(round(step * self.z_step_um, 6) for step in range(-steps, steps + 1))

    @property
    def strict_offsets_um(self) -> tuple[float, ...]:
        """Offsets at which neither shot is the in-focus plane itself."""
        return tuple(n for n in self.offsets_um if abs(abs(n) - self.delta_um) > 1e-6)


class PatchSettings(Section, key="pairs"):
    """Patches that pairs are cut from, and their split."""

    patch_px: int = Field(224, ge=32, le=2048, multiple_of=16)
    """Edge of a square patch."""
    align_planes: bool = False
    """Move and scale each plane onto its field's in-focus plane by what the focus stage measured, before patches are
    cut: corrects focus breathing and drift. Planes that lie within a quarter of a pixel stay as they are."""
    truth: Literal["patch", "field"] = "patch"
    """Where focal offsets count from, and what restored patches should be. patch: the patch's own focus, known of
    simulated slides and measured on others; the target is the plane nearest to it, and of simulated slides the
    noise-free image in focus everywhere. field: the sharpest plane of the whole field, as in the paper."""
    verification_fraction: float = Field(0.15, gt=0, lt=0.9)
    """Share of the training data that chooses the best model and is not trained on."""
    split_by: Literal["patient", "patch"] = "patient"
    """The paper splits patches at random, which puts pieces of one slide on both sides."""
    simulated_test_patches: int | None = Field(None, ge=1)
    """Test sets have at most so many patches of a simulated field: its first one, and then each time the one farthest
    from those chosen. Patches of a field are alike; intervals are over slides. None: all, as of all other fields."""
    share_draws: bool = False
    """The pairs of a simulated test field at offsets between the planes are shared among its patches, in turn from the
    lowest offset to the highest: all patches have the same offsets, and intervals over slides stay as wide."""


class PairsSettings(PatchSettings, AcquisitionSettings):
    """Sections acquisition and pairs together: how z-stacks become pairs of shots."""

    parts: ClassVar[tuple[type[Section], ...]] = (AcquisitionSettings, PatchSettings)
    """The sections that a settings file has in its place."""
