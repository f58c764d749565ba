"""Blending: the better image wins, weights vary slowly, what cannot be improved stays, errors are calibrated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tsva.restoration import blend
from tsva.restoration.blend import ErrorHead, blended, calibration, harm, likelihood, weight
from tsva.restoration.fusion.correction import HALF_SD, MOST_WEIGHT, SIZES, by_size, most_weight
from tsva.restoration.pair_network import build
from tsva.restoration.refocus import restore
from tsva.settings.methods import NetworkName
from tsva.settings.train import TrainSettings

BLENDING: tuple[NetworkName, ...] = ("tsva", "unet", "unet_residual", "fusion", "fusion_one_shot")


def even(restored: float, shot: float, size: int = 48) -> tuple[Tensor, Tensor]:
    """Expected errors that are the same everywhere."""
    return torch.full((1, 1, size, size), restored), torch.full((1, 1, size, size), shot)


@pytest.mark.parametrize(("gain_db", "share"), [(-6.0, 0.0), (blend.EVEN_DB, 0.5), (7.0, 1.0)])
def test_the_image_that_is_expected_to_be_better_wins(gain_db: float, share: float) -> None:
    sd = even(0.02 * 10 ** (-gain_db / 20), 0.02)
    torch.testing.assert_close(weight(*sd), torch.full((1, 1, 48, 48), share), rtol=0, atol=1e-4)
    image, expected = blended(torch.ones(1, 3, 48, 48), torch.zeros(1, 3, 48, 48), *sd)
    torch.testing.assert_close(image, torch.full((1, 3, 48, 48), share), rtol=0, atol=1e-4)
    assert expected.min() >= min(float(sd[0].min()), float(sd[1].min())) - 1e-6
    assert expected.max() <= max(float(sd[0].max()), float(sd[1].max())) + 1e-6


def test_weights_change_slowly_and_copy_no_structure() -> None:
    random = torch.Generator().manual_seed(0)
    restored = 0.01 * torch.exp(torch.randn(1, 1, 96, 96, generator=random))
    found = weight(restored, torch.full_like(restored, 0.015))
    steps = torch.cat([found.diff(dim=-1).abs().flatten(), found.diff(dim=-2).abs().flatten()])
    # from one cell to the next at most all of the weight, spread over its pixels
    assert steps.max() <= 1 / blend.CELL_PX + 1e-6


@pytest.mark.parametrize("size", [(1, 1), (7, 50), (41, 64)])
def test_images_of_any_size_have_weights(size: tuple[int, int]) -> None:
    sd = torch.rand(2, 1, *size)
    assert weight(sd, sd).shape == (2, 1, *size)


def test_the_likelihood_is_least_at_the_true_errors() -> None:
    random = torch.Generator().manual_seed(0)
    target = torch.full((4, 3, 32, 32), 0.5)
    restored, shot = (target + sd * torch.randn(target.shape, generator=random) for sd in (0.02, 0.05))
    level = torch.full((4, 1, 1, 1), 0.5)
    logarithms = torch.zeros(4, 2, 32, 32, requires_grad=True)
    optimiser = torch.optim.Adam([logarithms], lr=0.1)
    shift = torch.full((1, 2, 1, 1), -6.0, requires_grad=True)
    optimiser = torch.optim.Adam([shift], lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        likelihood(logarithms.detach() + shift, restored, shot, target, level).backward()
        optimiser.step()
    found = ErrorHead(1).errors(shift.detach().expand(4, 2, 32, 32), level)
    assert float(found[0].mean()) == pytest.approx(0.02, rel=0.02)
    assert float(found[1].mean()) == pytest.approx(0.05, rel=0.02)


def test_the_head_trains_nothing_but_itself() -> None:
    head, features = ErrorHead(4, 2), torch.randn(1, 4, 8, 8, requires_grad=True)
    head(features).sum().backward()
    assert features.grad is None and head(features).shape == (1, 2, 16, 16)
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_calibration_is_the_geometric_mean_of_ratios_and_blank_pairs_say_nothing() -> None:
    true = torch.tensor([[4.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    torch.testing.assert_close(calibration(true, torch.ones(3, 2)), torch.tensor([2**0.5, 1.0]))
    torch.testing.assert_close(calibration(torch.zeros(2, 2), torch.ones(2, 2)), torch.ones(2))


def lively(name: NetworkName) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build(name, TrainSettings(width=4, levels=2), 3).eval()
    for parameter in network.parameters():
        if not parameter.abs().sum():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


@torch.inference_mode()
@pytest.mark.parametrize("name", BLENDING)
def test_tiles_side_by_side_are_the_whole_image(name: NetworkName) -> None:
    network, random = lively(name), torch.Generator().manual_seed(1)
    low, high = torch.rand(2, 1, 3, 141, 150, generator=random)
    whole, tiled = (restore(network, low, high, tile_px=tile_px) for tile_px in (512, 64))  # type: ignore[arg-type]
    for one, other in zip(whole, tiled, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("name", BLENDING)
def test_where_restoring_is_expected_to_do_harm_the_shot_stays_as_it_is(name: NetworkName) -> None:
    network, random = lively(name), torch.Generator().manual_seed(1)
    low, high = torch.rand(2, 1, 3, 64, 64, generator=random)
    network.error.calibration.copy_(torch.tensor([100.0, 0.01]))  # type: ignore[operator, union-attr]
    restored = network(low, high)
    assert min(float((restored - shot).abs().max()) for shot in (low, high)) < 1e-6


def test_the_papers_networks_do_not_blend() -> None:
    network = build("tsva", TrainSettings(width=4, levels=2, blend=False), 3).eval()
    low, high = torch.rand(2, 1, 3, 16, 16)
    with torch.inference_mode():
        assert network.with_error(low, high, network.decide(low, high))[1] is None
    assert not any(name.startswith("error") for name in network.state_dict())


def test_the_shot_keeps_its_share_of_a_result_by_the_size_of_the_offset() -> None:
    weights = torch.tensor(MOST_WEIGHT)
    at_sizes = by_size(torch.tensor([-0.0, 0.25, -0.5, 1.0, 2.0, 9.0]), 0.5, weights).flatten()
    torch.testing.assert_close(at_sizes, torch.cat([weights, weights[-1:]]))
    between = by_size(torch.tensor([0.125]).reshape(1, 1, 1, 1), 0.5, weights)
    torch.testing.assert_close(between.flatten(), weights[:2].mean()[None])
    assert by_size(torch.zeros(2, 1, 5, 7), 0.5, weights).shape == (2, 1, 5, 7)


def test_an_offset_of_the_deviation_that_halves_it_has_half_of_the_weight() -> None:
    delta_um, most = 0.5, torch.tensor([1.0, 0.9, 0.8, 0.7, 0.6])
    focal_offset_um, half_sd = delta_um * torch.tensor(SIZES), torch.tensor(HALF_SD)
    doubt = half_sd.square().reciprocal()
    for multiple, share in ((0.0, 1.0), (1.0, 0.5), (3.0, 0.1)):
        found = most_weight(-focal_offset_um, multiple * delta_um * half_sd, delta_um, most, doubt)
        torch.testing.assert_close(found.flatten(), share * most)
    # maps of offsets, and networks that have no such deviations
    sd_um = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    found = most_weight(torch.full((2, 1, 5, 7), 2.0), sd_um, delta_um, most, 0 * doubt)
    torch.testing.assert_close(found, torch.full((2, 1, 5, 7), 0.6))


def test_factors_are_the_groups_own_ratios_where_there_are_many_pairs_and_the_common_one_where_there_are_none() -> None:
    true = torch.cat([torch.full((300,), 4.0), torch.full((300,), 1.0)])
    shares = torch.nn.functional.one_hot(torch.arange(600) // 300, 3).float()
    found = blend.factors(true, torch.ones(600), shares)
    torch.testing.assert_close(found, torch.tensor([2.0, 1.0, 1.5]), rtol=0.01, atol=0)
    assert blend.factors(torch.ones(1), torch.full((1,), 1e-4), torch.ones(1, 1)) == blend.MOST_FACTOR


def test_harm_is_what_is_lost_against_the_better_shot_and_gains_count_for_nothing() -> None:
    target = torch.zeros(2, 1, 8, 8)
    low, high = target + 0.1, target + 0.2
    assert float(harm(target + 0.05, low, high, target)) == 0
    worse = torch.cat([target[:1] + 0.4, target[:1] + 0.05])
    expected = np.log((0.16 + blend.LEAST_VARIANCE) / (0.01 + blend.LEAST_VARIANCE)) / 2
    assert float(harm(worse, low, high, target)) == pytest.approx(expected, rel=1e-4)
