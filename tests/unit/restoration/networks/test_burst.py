"""Burst U-Net: size, shots without order, shots that count alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tsva.restoration.pair_network import SharperShot, build
from tsva.settings.train import TrainSettings
from tsva.training.fit import multiply_accumulates

FULL = TrainSettings(width=64, levels=5)
SMALL = TrainSettings(width=3, levels=3)


def small(training: bool) -> nn.Module:
    torch.manual_seed(0)
    return build("burst", SMALL, 3).train(training)


def shots(seed: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.rand(2, 3, 18, 22), torch.rand(2, 3, 18, 22)


def test_size_at_full_width() -> None:
    with torch.device("meta"):
        network = build("burst", FULL, 3)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 24
    # By hand, w = 64: down 3w, w² and, from twice a level's width, (4 + 4)·4ᵏ⁻¹·w² at levels k = 1 … 4 (3×3); up, at
    # levels k = 0 … 3 of width c, 2×2 from 4c to c, 3×3 from 3c and c to c; 3×3 and 1×1 after the collapse.
    w, fine = 64, [64 * 2**k for k in range(4)]
    weights = 9 * (3 * w + w * w) + sum(9 * (2 * c * 2 * c + 2 * c * 2 * c) for c in fine)
    weights += sum(4 * 4 * c * c + 9 * (3 * c * c + c * c) for c in fine) + 9 * w * w + 3 * w
    assert sum(module.weight.numel() for module in convolutions) == weights
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6, 1) == 43.3
    assert round(multiply_accumulates("burst", FULL, 3) / 1e9, 1) == 120.8


def test_arithmetic_of_a_small_network_by_hand() -> None:
    # Two levels, width 1, one channel, 4×4 pixels. For each of two shots: 3×3 convolutions 1→1→1 on 16 pixels; 2→2→2
    # on 4; up 4→1, 2×2 on 16; 3→1→1 on 16. Once: 3×3 and 1×1 on 16.
    a_shot = 16 * 9 * (1 + 1) + 4 * 9 * (4 + 4) + 16 * 4 * 4 + 16 * 9 * (3 + 1)
    assert multiply_accumulates("burst", TrainSettings(width=1, levels=2), 1, edge_px=4) == 2 * a_shot + 16 * 9 + 16


def test_order_changes_nothing_whatever_is_said_of_the_sharper() -> None:
    low, high = shots()
    network = small(training=False)
    for swap in (None, SharperShot(torch.tensor([True, False]))):
        assert torch.equal(network(low, high), network(high, low, swap))


def test_order_changes_no_gradient() -> None:
    # The batch's statistics are sums of the same numbers in another order: some units of float32's last place.
    low, high = shots()
    gradients = []
    for one, other in ((low, high), (high, low)):
        network = small(training=True)
        network(one, other).square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
    scale = float(gradients[0].abs().max())
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-4 * scale)


def test_equal_shots_share_the_gradient() -> None:
    low, _ = shots()
    one, other = (low.clone().requires_grad_() for _ in range(2))
    small(training=False)(one, other).sum().backward()
    assert torch.equal(one.grad, other.grad) and one.grad.abs().max() > 0


def test_each_shot_hears_of_the_other_at_every_level() -> None:
    # Features of one shot alone, joined by the maximum with another's, change wherever the other's are larger.
    network = small(training=False)
    low, high = shots()
    seen: list[Tensor] = []
    for module in (*network.down[1:], *network.up):
        module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][:2].clone()))
    network(low, high)
    network(low, high.flip(-1))
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_it_takes_colours_and_greys(channels: int) -> None:
    image = torch.rand(1, channels, 9, 7)
    assert build("burst", SMALL, channels).eval()(image, image).shape == image.shape
