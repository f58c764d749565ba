"""The report."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


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
