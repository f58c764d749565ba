"""Fusion by matrices is Fusion: for export."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from tsva.restoration.fusion.matrices import EXPORTED_PX, MatrixTransform, Parts, with_matrices
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import build
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import NetworkName
from tsva.settings.train import TrainSettings


def lively(name: NetworkName, channels: int) -> Fusion:
    torch.manual_seed(1)
    network = build(name, TrainSettings(), channels, OpticsSettings(), 0.5)
    assert isinstance(network, Fusion)
    nn.init.normal_(network.last.weight, std=0.05)
    return network.eval()


def tissue(channels: int, batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """Structure of all sizes, one shot a little more blurred than the other, and camera noise."""
    random = torch.Generator().manual_seed(seed)
    size = EXPORTED_PX
    fine = torch.rand(batch, channels, size, size, generator=random)
    sharp = (
        sum(nn.functional.avg_pool2d(fine, 2 * k + 1, stride=1, padding=k, count_include_pad=False) for k in (1, 4, 16))
        / 3
    )
    blurred = nn.functional.avg_pool2d(sharp, 5, stride=1, padding=2, count_include_pad=False)
    noise = 0.01 * torch.randn(2, *sharp.shape, generator=random)
    return (sharp + noise[0]).clamp(0, 1), (blurred + noise[1]).clamp(0, 1)


@pytest.mark.parametrize(("size", "image"), [((64, 64), None), ((12, 15), None), ((15, 12), (5, 7))])
def test_transforms_are_fouriers(size: tuple[int, int], image: tuple[int, int] | None) -> None:
    transform = MatrixTransform(size, image)
    x = torch.rand(2, 3, *(image or size), generator=torch.Generator().manual_seed(0))
    found, expected = transform(x), torch.fft.rfft2(x.double(), s=size)
    # sums of size products, rounded as random walks: far below 1e-6 of the largest value, the sum of all
    limit = 1e-6 * float(expected.abs().max())
    assert torch.complex(found.real, found.imag).sub(expected).abs().max() < limit
    if image is None:
        assert (transform.inverse(found) - x).abs().max() < 1e-5
        other = Parts(torch.randn_like(found.real), torch.randn_like(found.imag))
        theirs = torch.fft.irfft2(torch.complex(other.real, other.imag).to(torch.complex128), s=size)
        # what irfft2 ignores (the imaginary parts that a real image can't have) has to be ignored likewise
        assert (transform.inverse(other) - theirs).abs().max() < 1e-5


@pytest.mark.parametrize(("name", "channels"), [("fusion", 3), ("fusion", 1), ("fusion_one_shot", 3)])
@torch.no_grad()
def test_the_copy_computes_the_same(name: NetworkName, channels: int) -> None:
    network = lively(name, channels)
    copy = with_matrices(network)
    for seed, (low, high) in enumerate((tissue(channels, 2, 1), tissue(channels, 1, 2)[::-1])):
        ours, theirs = copy(low, high), network(low, high)
        exact = deepcopy(network).double()(low.double(), high.double())
        rounding = max(float((theirs - exact).abs().max()), 2.0**-23)
        assert (ours - exact).abs().max() <= 4 * rounding, seed
        assert theirs.std() > 0.02


def test_other_sizes_are_refused() -> None:
    copy = with_matrices(lively("fusion", 3))
    with pytest.raises(RuntimeError):
        copy(torch.rand(1, 3, 200, 200), torch.rand(1, 3, 200, 200))
