"""The sheet knows the digital tissues by name without importing them; both lists must agree."""

from __future__ import annotations

from tsva.settings.sheet import STAINS, TISSUES
from tsva.simulation.phantom.tissue import KINDS
from tsva.simulation.phantom.tissue import STAINS as DRAWN_STAINS


def test_names_agree() -> None:
    assert TISSUES == KINDS
    assert tuple(DRAWN_STAINS) == STAINS
