"""Depth layers: weights, and which way is up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsva.optics.specimen import Specimen, focal_heights, layer_heights, layer_weights

FLOAT32 = 2e-5
"""Sums and differences of float32 positions of up to some tens of layers (1e-6 each), over a width of 1e-3 at least,
are good to 1e-3 of a layer's share at the very thinnest; for the widths drawn here, 0.1 spacings and more, to this."""


def _specimen(height_um: np.ndarray, thickness_um: np.ndarray, transmittance: float = 0.5) -> Specimen:
    return Specimen(np.full((*height_um.shape, 3), transmittance, np.float32), -height_um, thickness_um, 0.1725)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 2))
@settings(max_examples=50, deadline=None)
def test_weights_add_up_to_one_and_keep_the_mean_height(seed: int, spacing_um: float) -> None:
    """Triangles on an even grid reproduce constants and straight lines: no seams, no shift."""
    rng = np.random.default_rng(seed)
    height_um = rng.uniform(-4, 4, (5, 7))
    thickness_um = spacing_um * rng.uniform(0.1, 6, (5, 7))
    layers_um = layer_heights(_specimen(height_um, thickness_um), np.zeros((5, 7)), spacing_um)
    weights = np.stack(list(layer_weights(height_um, thickness_um, layers_um, spacing_um)))
    assert weights.min() >= -FLOAT32
    assert weights.sum(axis=0) == pytest.approx(np.ones((5, 7)), abs=FLOAT32)
    count = len(layers_um)
    assert np.tensordot(layers_um, weights, (0, 0)) == pytest.approx(
        height_um, abs=FLOAT32 * count * spacing_um * count
    )


def test_thin_matter_between_two_layers_is_shared_by_nearness() -> None:
    weights = list(layer_weights(np.array([[0.125]]), np.zeros((1, 1)), np.array([0.0, 0.5]), 0.5))
    assert np.ravel(weights) == pytest.approx([0.75, 0.25], abs=1e-3)


def test_thick_matter_fills_the_layers_inside_evenly() -> None:
    """Two micrometres over layers 0.5 µm apart: a quarter each, the outermost half of that (and a half beyond)."""
    weights = list(layer_weights(np.zeros((1, 1)), np.full((1, 1), 2.0), np.arange(-1, 1.1, 0.5), 0.5))
    assert np.ravel(weights) == pytest.approx([0.125, 0.25, 0.25, 0.25, 0.125], abs=1e-6)


def test_matter_nearer_the_objective_comes_into_focus_lower() -> None:
    flat = np.zeros((1, 2))
    specimen = Specimen(np.full((1, 2, 3), 0.5), np.array([[1.0, -1.0]]), flat, 0.1725)
    assert focal_heights(specimen, flat + 0.25).tolist() == [[-0.75, 1.25]]


def test_empty_glass_has_no_layers_wherever_it_lies() -> None:
    far = np.array([[0.0, 50.0]])
    assert len(layer_heights(_specimen(far, far, 1.0), np.zeros((1, 2)), 0.5)) == 0
