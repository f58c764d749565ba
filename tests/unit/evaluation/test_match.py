"""Pairs of detections, and what a patch shows of true nuclei."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsva.evaluation.counting.stained_nuclei import nuclei_near
from tsva.evaluation.counting.table import match

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=4).map(
    lambda points: np.array(points, float).reshape(-1, 2)
)


def test_a_pair_is_within_the_reference_s_radius():
    found, reference = np.array([[0, 0], [10, 0]]), np.array([[3, 0], [13.1, 0]])
    first, second = match(found, reference, np.array([3.0, 3.0]))
    assert (first.tolist(), second.tolist()) == ([0], [0])


def test_each_is_paired_once():
    found, reference = np.array([[0, 0], [0, 1], [0, 2]]), np.array([[0, 1]])
    first, second = match(found, reference, np.array([5.0]))
    assert (first.tolist(), second.tolist()) == ([1], [0])


def test_more_pairs_go_before_nearer_ones():
    # The nearest pair (0, 0) would leave both others alone.
    found, reference = np.array([[0.0, 0], [0, -3]]), np.array([[0.0, 0.1], [0, 3]])
    first, second = match(found, reference, np.array([3.2, 3.2]))
    assert dict(zip(first.tolist(), second.tolist(), strict=True)) == {0: 1, 1: 0}


def test_nothing_matches_nothing():
    some, none = np.zeros((2, 2)), np.zeros((0, 2))
    for found, reference in ((some, none), (none, some), (none, none)):
        assert len(match(found, reference, np.ones(len(reference)))[0]) == 0


@settings(max_examples=60, deadline=None)
@given(POINTS, POINTS, st.sampled_from([1.0, 2.0, 3.5]))
def test_no_pairing_is_better(found, reference, radius):
    first, second = match(found, reference, np.full(len(reference), radius))
    assert len(set(first)) == len(first) and len(set(second)) == len(second)
    distance = np.linalg.norm(found[:, None] - reference, axis=2)

    def worth(pairs):
        near = [distance[pair] for pair in pairs if distance[pair] <= radius]
        return len(near), -sum(near)

    few, many = sorted((range(len(found)), range(len(reference))), key=len)
    turned = len(found) > len(reference)
    options = (zip(few, order, strict=True) for order in permutations(many, len(few)))
    best = max(worth([(b, a) if turned else (a, b) for a, b in option]) for option in options)
    ours = worth(list(zip(first, second, strict=True)))
    assert ours[0] == len(first) == best[0]
    assert ours[1] == pytest.approx(best[1])


def test_nuclei_beside_a_patch_that_reach_in():
    nuclei = pd.DataFrame(
        [(99.4, 50.0, 3.0), (99.5, 50.0, 3.0), (94.0, 60.0, 3.0), (93.0, 60.0, 3.0), (120.0, 180.0, 3.0)],
        columns=["y_px", "x_px", "radius_um"],
    )
    near = nuclei_near(nuclei, 100, 0, 80, 0.5)
    # Row 100 begins at 99.5; a radius of 6 pixels reaches it from 93.5 on.
    assert near.centres_px == pytest.approx(np.array([[-0.1, 50.5], [0, 50.5], [-5.5, 60.5]]))
    assert near.inside.tolist() == [False, True, False]
    assert near.radius_px.tolist() == [6.0] * 3
