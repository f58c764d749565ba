"""Which distance of shots to scan with."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tsva.settings.base import Section

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
