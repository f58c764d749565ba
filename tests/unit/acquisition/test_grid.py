"""The patch grid holds the paper's numbers and never leaves the field."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tsva.acquisition.stack import places


def test_the_papers_field_holds_twenty_patches() -> None:
    assert len(list(places(1024, 1224, 224))) == 20


def test_a_field_smaller_than_a_patch_holds_none() -> None:
    assert list(places(223, 1000, 224)) == []


@given(st.integers(1, 700), st.integers(1, 700), st.integers(32, 256))
def test_patches_are_inside_apart_and_centred(height: int, width: int, patch: int) -> None:
    cuts = list(places(height, width, patch))
    assert len(cuts) == (height // patch) * (width // patch)
    assert len({(cut.y_px, cut.x_px) for cut in cuts}) == len(cuts)
    for cut in cuts:
        assert 0 <= cut.y_px <= height - patch and 0 <= cut.x_px <= width - patch
        assert (cut.y_px - cuts[0].y_px) % patch == 0 and (cut.x_px - cuts[0].x_px) % patch == 0
    if cuts:
        below, right = height - cuts[-1].y_px - patch, width - cuts[-1].x_px - patch
        assert 0 <= below - cuts[0].y_px <= 1 and 0 <= right - cuts[0].x_px <= 1
