"""Stacks whose optics are known."""

from __future__ import annotations

import pytest

from tsva.simulation.texture import textured_stack


@pytest.fixture(scope="session")
def simulate():
    """Imaging is that of `tsva.optics.imaging`, layer by layer; the model that is fitted never sees a specimen."""
    return textured_stack
