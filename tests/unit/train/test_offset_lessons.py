"""What offsets are taught with: spectra that other microscopes would show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsva.restoration.fusion import bands
from tsva.restoration.fusion import lessons as offset_lessons
from tsva.restoration.fusion.filters import FREQUENCIES, NODE_STEP_UM, REACH_UM, TwoShotWiener
from tsva.restoration.fusion.microscopes import Microscopes
from tsva.settings.acquisition import OpticsSettings

OPTICS, DELTA_UM = OpticsSettings(), 0.5


@pytest.fixture(scope="module")
def seen() -> Microscopes:
    return Microscopes(OPTICS, DELTA_UM, 3, 24, np.random.default_rng(1))


def test_the_nominal_microscope_is_the_filters_own(seen: Microscopes) -> None:
    tables = TwoShotWiener(OPTICS, DELTA_UM, 3).tables  # (kind, node of |n|, C, F): near, far
    at = seen.nominal(torch.tensor([1.0]))
    node = round(1.0 / NODE_STEP_UM)
    place = np.array(bands.FREQUENCIES) / np.sqrt(0.5) * (FREQUENCIES - 1)
    for found, kind in ((at.low, 0), (at.high, 1)):
        for colour in range(3):
            at_middle = np.interp(place, np.arange(FREQUENCIES), tables[kind, node, colour].numpy())
            # a band's mean is not the value at its middle, most so where it is wide and the curve bends
            np.testing.assert_allclose(found[0, colour, :10].numpy(), at_middle[:10], atol=0.02)


def test_shots_of_the_nominal_microscope_change_places_with_the_offsets_sign(seen: Microscopes) -> None:
    focal_offset_um = torch.tensor([0.3, 1.7, 4.0])
    there, back = seen.nominal(focal_offset_um), seen.nominal(-focal_offset_um)
    # its focus is found on a grid of 0.05 µm that holds 0, about which all is even
    torch.testing.assert_close(there.low, back.high, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(there.coherence, back.coherence, rtol=1e-3, atol=2e-3)


def test_every_microscope_is_sharpest_at_its_focus(seen: Microscopes) -> None:
    assert len(seen.tables) == 24
    focal_offset_um = np.arange(seen.tables.shape[1]) * NODE_STEP_UM - REACH_UM
    middle = seen.tables[:, :, :2, 1, 3:8].mean(dim=(2, 3)).numpy()  # both shots, green, where Brenner looks
    best = focal_offset_um[middle.argmax(axis=1)]
    assert np.abs(best).max() <= 2 * NODE_STEP_UM


def test_lessons_keep_what_is_physical(seen: Microscopes) -> None:
    """Powers above the noise's, and no more in common than there is."""
    random = torch.Generator().manual_seed(0)
    noise = 2e-5
    focal_offset_um = torch.linspace(-2, 2, 9)
    at = seen.nominal(focal_offset_um)
    signal = 1e-6 * torch.tensor(bands.FREQUENCIES) ** -2.6
    common = signal * at.coherence * (at.low * at.high).sqrt()
    spectra = torch.stack([signal * at.low + noise, signal * at.high + noise, common], dim=2).flatten(1)
    foreign = offset_lessons._foreign(seen, spectra, focal_offset_um, random)
    far, far_um = offset_lessons.beyond_focus(seen, spectra[4:5], 16, 3.0, random)
    for lesson in (foreign, far):
        one, two, both = lesson.reshape(len(lesson), 3, 3, bands.BANDS).unbind(2)
        assert (one > 0).all() and (two > 0).all()
        # changes are capped, so that what is in common may exceed the mean of the two by as much
        assert (both.abs() <= 1.5 * (one * two).sqrt()).all()
    assert (far_um.abs() >= 3).all() and (far_um.abs() <= REACH_UM).all() and 0 < (far_um > 0).float().mean() < 1


def test_without_another_microscope_a_lesson_is_the_pair_itself(
    seen: Microscopes, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(0)
    monkeypatch.setattr(offset_lessons, "SLOPE_SD", 0.0)
    monkeypatch.setattr(
        seen, "drawn", lambda focal_offset_um, _random, here=None: here or seen.nominal(focal_offset_um)
    )
    focal_offset_um = torch.tensor([-1.0, 0.0, 2.0])
    at = seen.nominal(focal_offset_um)
    powers = [1e-3 * at.low + 1e-5, 1e-3 * at.high + 1e-5, 1e-3 * at.coherence * (at.low * at.high).sqrt()]
    spectra = torch.stack(powers, dim=2).flatten(1)
    torch.testing.assert_close(
        offset_lessons._foreign(seen, spectra, focal_offset_um, random), spectra, rtol=1e-4, atol=1e-8
    )
