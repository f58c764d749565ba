"""Stain vectors and the Beer-Lambert law."""

from __future__ import annotations

import numpy as np
import pytest

from tsva.simulation.phantom.tissue import STAINS, transmittance


@pytest.mark.parametrize("name", STAINS)
def test_vectors_have_unit_norm_and_differ(name):
    vectors = STAINS[name].vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-12)
    assert np.all(vectors >= 0)
    haematoxylin, eosin = vectors
    assert haematoxylin[0] > eosin[0]  # blue-violet absorbs red, pink doesn't
    assert haematoxylin @ eosin < 0.95  # well enough apart to be unmixed


@pytest.mark.parametrize("name", STAINS)
def test_colour_deconvolution_recovers_amounts(name):
    stain = STAINS[name]
    amounts = np.random.default_rng(1).uniform(0, 1.2, (20, 30, 2))
    light = transmittance(amounts, stain)
    recovered = -np.log10(light / np.array(stain.blank)) @ np.linalg.pinv(stain.vectors)
    strengths = np.array([stain.haematoxylin_strength, stain.eosin_strength])
    # Single precision, 6e-8, on densities of up to 2, through an unmixing that enlarges errors less than tenfold.
    np.testing.assert_allclose(recovered, amounts * strengths, atol=1e-5)


def test_unit_amount_is_a_tenth_of_the_light_shared_over_the_vector():
    stain = STAINS["lab_a"]
    light = transmittance(np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]), stain)[0]
    np.testing.assert_allclose(light[2], stain.blank, rtol=1e-6)
    for row, vector in enumerate(stain.vectors):
        np.testing.assert_allclose(light[row], 10**-vector * np.array(stain.blank), rtol=1e-6)


def test_stains_add_up():
    """Twice the section lets through the square of the light."""
    stain, amounts = STAINS["lab_b"], np.random.default_rng(2).uniform(0, 0.5, (5, 5, 2))
    once = transmittance(amounts, stain) / np.array(stain.blank)
    twice = transmittance(2 * amounts, stain) / np.array(stain.blank)
    np.testing.assert_allclose(twice, once**2, rtol=1e-5)
