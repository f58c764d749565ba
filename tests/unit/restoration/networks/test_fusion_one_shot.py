"""Fusion without its second shot: the farther shot says nothing but which one it is."""

from __future__ import annotations

import torch
from torch import nn

from tsva.restoration.fusion.bands import BANDS, BandSpectra
from tsva.restoration.fusion.one_shot import FusionOneShot
from tsva.restoration.pair_network import build
from tsva.restoration.refocus import restore
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings


def lively() -> FusionOneShot:
    torch.manual_seed(0)
    network = build("fusion_one_shot", TrainSettings(), 3, OpticsSettings(), 0.5)
    assert isinstance(network, FusionOneShot)
    nn.init.normal_(network.last.weight, std=0.05)
    return network.eval()


def shots(size: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    sharp = 0.6 + 0.05 * torch.randn(1, 3, size, size, generator=random)
    return sharp, nn.functional.avg_pool2d(sharp, 3, stride=1, padding=1, count_include_pad=False)


@torch.no_grad()
def test_the_second_shot_is_withheld() -> None:
    network = lively()
    sharp, blurred = shots()
    restored = network(sharp, blurred)
    torch.testing.assert_close(network(sharp, 0.5 * blurred + 0.2), restored, rtol=0, atol=0)
    assert not torch.equal(network(sharp * 0.9, blurred), restored)


@torch.no_grad()
def test_the_order_of_capture_changes_the_sign_and_nothing_else() -> None:
    network = lively()
    sharp, blurred = shots()
    there, back = network.decide(sharp, blurred), network.decide(blurred, sharp)
    assert float(there.focal_offset_um) > 0 and float(there.focal_offset_um) == -float(back.focal_offset_um)
    torch.testing.assert_close(network(sharp, blurred), network(blurred, sharp), rtol=0, atol=0)


@torch.no_grad()
def test_lessons_are_what_it_will_see() -> None:
    network = lively()
    sharp, blurred = shots(64)
    both, alone = (BandSpectra()(*pair).flatten(1) for pair in ((blurred, sharp), (sharp, sharp)))
    spectra, size_um = network.lesson(both, torch.tensor([-1.5]))
    assert spectra.shape == (1, 3 * 3 * BANDS) and size_um.tolist() == [1.5]
    torch.testing.assert_close(spectra, alone)


@torch.no_grad()
def test_tiles_are_the_whole_image() -> None:
    network = lively()
    sharp, blurred = shots(260)
    whole = restore(network, blurred, sharp, tile_px=10_000)
    torch.testing.assert_close(restore(network, blurred, sharp, tile_px=96), whole, rtol=1e-4, atol=2e-5)
