"""Which pairs slow methods restore."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tsva.restoration.datasets import sample_pairs

SLIDES = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=40)


@given(SLIDES, st.integers(1, 13), st.integers(1, 12), st.integers(0, 99))
def test_every_offset_has_its_patches_from_as_many_slides_as_there_are(slides, offsets, per_offset, seed):
    chosen = sample_pairs(slides, offsets, per_offset, seed)
    assert chosen.shape == (len(slides), offsets) and chosen.dtype == bool
    assert (chosen.sum(axis=0) == min(per_offset, len(slides))).all()
    for offset in range(offsets):
        of = [slide for slide, taken in zip(slides, chosen[:, offset], strict=True) if taken]
        # none has a second turn before all have had one
        assert len(set(of)) >= min(per_offset, len(set(slides)))


def test_all_slides_are_seen_over_the_offsets():
    slides = ["a"] * 4 + ["b"] * 4 + ["c"] * 4 + ["d"] * 4 + ["e"] * 4
    chosen = sample_pairs(slides, 13, 2, 1)
    seen = {slide: chosen[np.array(slides) == slide].sum() for slide in "abcde"}
    assert max(seen.values()) - min(seen.values()) <= 1


def test_the_sample_follows_from_the_seed():
    slides = list("aabbccdd")
    np.testing.assert_array_equal(sample_pairs(slides, 13, 3, 5), sample_pairs(slides, 13, 3, 5))
    assert (sample_pairs(slides, 13, 3, 5) != sample_pairs(slides, 13, 3, 6)).any()


def test_a_further_slide_leaves_the_choice_within_slides_alone():
    few, more = list("aaaabbbb"), list("aaaabbbbcccc")
    # with as many turns as slides, each slide gives one patch an offset: the same one
    np.testing.assert_array_equal(sample_pairs(few, 5, 2, 1), sample_pairs(more, 5, 3, 1)[:8])
