"""The sheet knows the digital tissues by name without importing them; both lists must agree."""

from __future__ import annotations

from tsva.phantom import KINDS
from tsva.phantom import STAINS as DRAWN_STAINS
from tsva.settings.sheet import STAINS, TISSUES


def test_names_agree() -> None:
    assert TISSUES == KINDS
    assert tuple(DRAWN_STAINS) == STAINS
