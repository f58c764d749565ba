"""Muon: orthogonal steps for matrices, Adam's for all else; a resumed optimiser goes on unchanged."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tsva.training.muon import MATRIX_RATE, Muon, is_matrix, orthogonalised


@pytest.mark.parametrize("shape", [(16, 144), (64, 16), (8, 8), (16, 27)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert float(values.min()) > 0.3 and float(values.max()) < 1.3


def test_direction_is_that_of_the_nearest_orthogonal_matrix() -> None:
    matrix = torch.randn(12, 30, generator=torch.Generator().manual_seed(2))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found, nearest = orthogonalised(matrix), u @ v
    assert float(torch.cosine_similarity(found.flatten(), nearest.flatten(), dim=0)) > 0.97


def test_scale_of_the_gradient_changes_nothing_and_zero_stays_zero() -> None:
    matrix = torch.randn(6, 20, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(orthogonalised(1e-3 * matrix), orthogonalised(matrix), rtol=1e-2, atol=1e-3)
    assert not orthogonalised(torch.zeros(6, 20)).any()


def network() -> nn.Sequential:
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1))


def test_layers_that_give_images_are_adams() -> None:
    found = {name: is_matrix(parameter) for name, parameter in network().named_parameters()}
    assert found == {
        "0.weight": True,
        "0.bias": False,
        "1.weight": False,
        "1.bias": False,
        "3.weight": False,
        "3.bias": False,
    }


def test_other_parameters_step_as_torchs_adam_does() -> None:
    torch.manual_seed(5)
    ours, theirs = (nn.Parameter(torch.ones(7)) for _ in range(2))
    muon, adam = Muon([ours], 2e-3), torch.optim.Adam([theirs], 2e-3)
    for _ in range(20):
        gradient = torch.randn(7)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_first_step_of_a_matrix_has_the_given_length() -> None:
    weight = nn.Parameter(torch.zeros(16, 3, 3, 3))
    weight.grad = torch.randn(16, 3, 3, 3, generator=torch.Generator().manual_seed(6))
    Muon([weight], 2e-3).step()
    rows = weight.detach().flatten(1)
    values = torch.linalg.svdvals(rows)
    assert float(values.min()) / (MATRIX_RATE * 2e-3) > 0.3 and float(values.max()) / (MATRIX_RATE * 2e-3) < 1.3


def test_a_resumed_optimiser_goes_on() -> None:
    whole, resumed = network(), network()
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(7))

    def steps(net: nn.Module, optimiser: Muon, count: int) -> None:
        for _ in range(count):
            optimiser.zero_grad()
            net(images).square().mean().backward()
            optimiser.step()

    steps(whole, Muon(whole.parameters(), 1e-2), 6)
    first = Muon(resumed.parameters(), 1e-2)
    steps(resumed, first, 3)
    second = Muon(resumed.parameters(), 1e-2)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    steps(resumed, second, 3)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_learns_faster_than_nothing() -> None:
    net = network()
    images = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(8))
    target = images[..., 1:-1, 1:-1].flip(1)
    optimiser, losses = Muon(net.parameters(), 5e-3), []
    for _ in range(60):
        optimiser.zero_grad()
        loss = (net(images) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
