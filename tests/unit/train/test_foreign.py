"""Training pairs as other microscopes would show them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tsva.restoration.fusion import bands, microscopes
from tsva.restoration.fusion.microscopes import Microscopes, Mixture
from tsva.settings.acquisition import OpticsSettings

DELTA_UM, EDGE_PX, BAND = 0.5, 128, 4
CYCLES = round(bands.FREQUENCIES[BAND] * EDGE_PX)
"""Of a grating across an image: its frequency is a band's."""


@pytest.fixture(scope="module")
def seen() -> Microscopes:
    return Microscopes(OpticsSettings(), DELTA_UM, 3, 3, np.random.default_rng(1))


def shown(seen: Microscopes, image: Tensor, n_um: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    spectra = bands.BandSpectra()
    return microscopes.as_others_show(seen, DELTA_UM, (image, image), spectra, image, torch.full((len(image),), n_um))


def grating() -> Tensor:
    wave = 0.5 + 0.1 * torch.cos(2 * torch.pi * CYCLES * torch.arange(EDGE_PX) / EDGE_PX)
    return wave.expand(2, 3, EDGE_PX, EDGE_PX).contiguous()


def contrast(image: Tensor) -> Tensor:
    """(B, C) amplitude of the grating."""
    return 2 * torch.fft.rfft(image, dim=-1)[..., CYCLES].abs().mean(dim=-1) / EDGE_PX


def test_the_nominal_microscope_shows_pairs_as_they_are(seen: Microscopes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microscopes, "OTHERS", 0.0)
    image = torch.rand(2, 3, 96, 80, generator=torch.Generator().manual_seed(1))
    for found in shown(seen, image, 1.3):
        torch.testing.assert_close(found, image, atol=1e-5, rtol=0)


def test_a_grating_has_the_contrast_that_the_other_microscope_transfers(
    seen: Microscopes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microscopes, "OTHERS", 1.0)
    monkeypatch.setattr(microscopes, "SLOPE_SD", 0.0)
    other = Mixture(torch.tensor([1, 2]), torch.ones(2))
    monkeypatch.setattr(seen, "mixture", lambda _count: other)
    n_um = torch.full((2,), 0.8)
    low, high, target = shown(seen, grating(), 0.8)
    in_focus_um = torch.full((2,), DELTA_UM)
    here, there = seen.nominal(n_um), seen.through(other, n_um)
    expected = {
        "low": (there.low / here.low)[..., BAND],
        "high": (there.high / here.high)[..., BAND],
        "target": (seen.through(other, in_focus_um).low / seen.nominal(in_focus_um).low)[..., BAND],
    }
    for (name, power), image in zip(expected.items(), (low, high, target), strict=True):
        # a grating's power leaks into neighbouring bands, whose noise estimate it then is
        torch.testing.assert_close((contrast(image) / 0.1).square(), power, rtol=0.05, atol=0, msg=name)


def test_noise_is_no_tissue_and_stays(seen: Microscopes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microscopes, "OTHERS", 1.0)
    random = torch.Generator().manual_seed(2)
    shots = 0.5 + 0.02 * torch.randn(2, 4, 3, 128, 128, generator=random)
    spectra = bands.BandSpectra()
    found = microscopes.as_others_show(seen, DELTA_UM, (shots[0], shots[1]), spectra, shots[0], torch.zeros(4))
    for before, after in zip(shots, found, strict=False):
        assert float(after.std() / before.std()) == pytest.approx(1, abs=0.05)


def test_colours_keep_their_mean(seen: Microscopes) -> None:
    image = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(3)) / 4 + 0.4
    for found in shown(seen, image, -0.7):
        torch.testing.assert_close(found.mean(dim=(-2, -1)), image.mean(dim=(-2, -1)), atol=2e-3, rtol=0)
