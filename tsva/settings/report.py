"""The report."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


class ReportSettings(Section, key="report"):
    """Statistics and pictures."""

    bootstrap_draws: int = Field(default=2000, ge=100, le=100_000)
    """Resamples of the slides behind every interval."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    examples: int = Field(default=4, ge=0, le=40)
    """Example patches shown per data set."""
    first_look: bool = True
    """Write results/first_look/index.html early: pictures of one slide while the run goes on."""
