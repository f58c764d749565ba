"""The learned denoiser: it scales with its input, starts as Y1, and takes noise away without having seen a blur."""

from __future__ import annotations

import torch
from torch import nn

from tsva.acquisition.pair import sharper_first
from tsva.restoration.networks.denoiser import Denoiser


def tissue(batch: int, size: int = 32) -> torch.Tensor:
    """Smooth images in [0.2, 0.9]."""
    grid = torch.rand(batch, 3, size // 4, size // 4)
    return 0.2 + 0.7 * nn.functional.interpolate(grid, scale_factor=4.0, mode="bicubic").clamp(0, 1)


def log_mse(image: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (image - wanted).square().mean(dim=(1, 2, 3)).log().mean()


def test_it_starts_as_the_sharper_shot() -> None:
    torch.manual_seed(0)
    low, high = tissue(2), tissue(2)
    torch.testing.assert_close(Denoiser(3)(low, high), sharper_first(low, high)[0], rtol=0, atol=0)


def test_twice_the_light_is_twice_the_image() -> None:
    torch.manual_seed(0)
    network = Denoiser(3)
    nn.init.normal_(network.last.weight, std=0.1)
    images = tissue(2)
    torch.testing.assert_close(network.denoised(2 * images), 2 * network.denoised(images), rtol=1e-5, atol=1e-5)


def test_a_short_training_takes_noise_away_and_no_blur() -> None:
    torch.manual_seed(0)
    network = Denoiser(3)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(150):
        target = tissue(8)
        loss = network.training_loss(target, target, target, torch.zeros(8), log_mse, network.denoised)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    clean = tissue(8)
    noisy = clean + 0.02 * torch.randn_like(clean)
    blurred = nn.functional.avg_pool2d(clean, 5, 1, 2, count_include_pad=False)
    with torch.inference_mode():
        left, changed = network.denoised(noisy) - clean, network.denoised(blurred) - blurred
    assert left.square().mean() < 0.5 * (noisy - clean).square().mean()
    # the blur itself takes far more from the images than the network puts back
    assert changed.square().mean() < 0.05 * (blurred - clean).square().mean()
