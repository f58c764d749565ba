"""What a package of a trained network says of who made it."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


class ExportSettings(Section, key="export"):
    """What a package of a trained network says of who made it."""

    authors: tuple[str, ...] = ()
    """Names; the BioImage Model Zoo wants at least one."""
    license: str | None = Field(None, min_length=2)
    """SPDX identifier of the weights' licence, e.g. CC-BY-4.0; the BioImage Model Zoo wants one."""
