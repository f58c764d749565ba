"""Spectra of two shots in bands of spatial frequency: what offset and noise are read from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tsva.networks.parts import reflected

WINDOW_PX = 64
STRIDE_PX = 32
EDGES = (1.5, 2.5, 3.5, 5.0, 7.0, 9.5, 12.5, 16.0, 20.0, 24.5, 29.0, 35.0, 46.0)
"""Band edges in periods a window. Leaving the lowest out takes away the lamp's falloff; the last is hardly but noise."""
BANDS = len(EDGES) - 1
FREQUENCIES = tuple(math.sqrt((a * a + b * b) / 2) / WINDOW_PX for a, b in zip(EDGES, EDGES[1:], strict=False))
"""Root mean square frequency of each band, periods a pixel."""


class BandSpectra(nn.Module):
    """Welch's averaged spectra: Hann windows that overlap by half, power gathered in rings of frequency."""

    def __init__(self) -> None:
        super().__init__()
        hann = torch.hann_window(WINDOW_PX + 1, periodic=False, dtype=torch.float64)[:-1]
        window = hann[:, None] * hann[None, :]
        self.register_buffer("window", window.float(), persistent=False)
        fy = torch.fft.fftfreq(WINDOW_PX, dtype=torch.float64) * WINDOW_PX
        fx = torch.fft.rfftfreq(WINDOW_PX, dtype=torch.float64) * WINDOW_PX
        radius = torch.hypot(fy[:, None], fx[None, :]).flatten()
        twice = torch.ones(WINDOW_PX, len(fx), dtype=torch.float64)
        twice[:, 1:-1] = 2  # the half plane that rfft2 leaves out
        edges = torch.tensor(EDGES, dtype=torch.float64)
        rings = (radius[:, None] >= edges[:-1]) & (radius[:, None] < edges[1:])
        weights = rings * twice.flatten()[:, None]
        weights = weights / weights.sum(dim=0) / window.square().sum()
        self.register_buffer("weights", weights.float(), persistent=False)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Power of both shots and their common part.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Smaller images than a window are grown by reflection.

        Returns
        -------
        (B, C * 3 * BANDS, windows along y, windows along x) float tensor
            Mean of |Y1|², |Y2|² and Re Y1 Y2* in each band; white noise of variance v has power v.
        """
        one, two = (torch.view_as_real(self._transformed(shot)) for shot in (low, high))
        products = torch.stack([one.square().sum(-1), two.square().sum(-1), (one * two).sum(-1)], dim=2)
        bands = products @ self.weights  # (B, C, 3, y, x, BANDS)
        return bands.movedim(-1, 3).flatten(1, 3)

    def _transformed(self, shot: Tensor) -> Tensor:
        """(B, C, windows along y, windows along x, frequencies)"""
        for axis in (-2, -1):
            if (size := shot.shape[axis]) < WINDOW_PX:
                shot = shot.index_select(axis, reflected(size, 0, WINDOW_PX, shot.device))
        rows, columns = (window_starts(size) for size in shot.shape[-2:])
        windows = torch.stack(
            [
                torch.stack([shot[..., y : y + WINDOW_PX, x : x + WINDOW_PX] for x in columns], dim=2)
                for y in rows
            ],
            dim=2,
        )  # fmt: skip
        windows = (windows - windows.mean(dim=(-2, -1), keepdim=True)) * self.window
        return torch.fft.rfft2(windows).flatten(-2)


def window_starts(size: int) -> list[int]:
    """Where windows begin along an axis: evenly, a stride apart or a little less, the last one at the end."""
    steps = -(-max(size - WINDOW_PX, 0) // STRIDE_PX)
    return [round(step * (size - WINDOW_PX) / steps) for step in range(steps + 1)] if steps else [0]


def arithmetic(height: int, width: int, channels: int) -> int:
    """Multiply-accumulates of the spectra of a pair: transforms at 1.25 n log2 n each, products and rings."""
    windows = len(window_starts(height)) * len(window_starts(width))
    pixels = WINDOW_PX * WINDOW_PX
    frequencies = WINDOW_PX * (WINDOW_PX // 2 + 1)
    transform = math.ceil(1.25 * pixels * math.log2(pixels)) + pixels
    return channels * windows * (2 * transform + 6 * frequencies + 3 * frequencies * BANDS)
