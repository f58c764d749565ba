"""Spectra of two shots in bands of spatial frequency: what offset and noise are read from."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from tsva.restoration.networks.parts import reflected

WINDOW_PX = 64
STRIDE_PX = 40
EDGES = (1.5, 2.5, 3.5, 5.0, 7.0, 9.5, 12.5, 16.0, 20.0, 24.5, 29.0, 35.0, 46.0)
"""Band edges in periods a window. Leaving the lowest out takes away the lamp's falloff; the last is mostly noise."""
BANDS = len(EDGES) - 1
FREQUENCIES = tuple(math.sqrt((a * a + b * b) / 2) / WINDOW_PX for a, b in pairwise(EDGES))
"""Root mean square frequency of each band, periods a pixel."""


class BandSpectra(nn.Module):
    """Welch's averaged spectra: overlapping Hann windows, power gathered in rings of frequency."""

    window: Tensor
    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        # on the CPU, whatever the default device: on the meta device it would import torch's compiler, for seconds
        with torch.device("cpu"):
            window, weights = _window_and_weights()
        self.register_buffer("window", window.float(), persistent=False)
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
        return self.gathered(self.seen(low), self.seen(high))

    def seen(self, shot: Tensor) -> tuple[Tensor, Tensor]:
        """Spectra of a shot's windows, (B, C, y, x, frequencies), and their power: a shot of two pairs needs them
        once."""
        spectra = self.transformed(self._windows(shot))
        return spectra, _common(spectra, spectra)

    def gathered(self, low: tuple[Tensor, Tensor], high: tuple[Tensor, Tensor]) -> Tensor:
        """What `forward` returns, of what `seen` returns of both shots."""
        products = torch.stack([low[1], high[1], _common(low[0], high[0])], dim=2)
        bands = products @ self.weights  # (B, C, 3, y, x, BANDS)
        return bands.movedim(-1, 3).flatten(1, 3)

    def transformed(self, windows: Tensor) -> Tensor:
        """(…, frequencies) of windows, (…, WINDOW_PX, WINDOW_PX)."""
        return torch.fft.rfft2(windows).flatten(-2)

    def _windows(self, shot: Tensor) -> Tensor:
        """(B, C, windows along y, windows along x, WINDOW_PX, WINDOW_PX), weighted, of mean zero before."""
        windows = _cut_both(shot)
        return (windows - windows.mean(dim=(-2, -1), keepdim=True)).mul_(self.window)


def window_means(image: Tensor) -> Tensor:
    """(B, C, windows along y, windows along x): means of (B, C, Y, X) over the windows that spectra are taken of."""
    return _cut_both(image).mean(dim=(-2, -1))


def _common(one: Tensor, two: Tensor) -> Tensor:
    """Re one two* of complex spectra."""
    return torch.addcmul(one.real * two.real, one.imag, two.imag)


def _cut_both(image: Tensor) -> Tensor:
    """(B, C, y, x, WINDOW_PX, WINDOW_PX): windows of an image, which is grown by reflection where it is smaller."""
    for axis in (-2, -1):
        if (size := image.shape[axis]) < WINDOW_PX:
            image = image.index_select(axis, reflected(size, 0, WINDOW_PX, image.device))
    rows, columns = (window_starts(size) for size in image.shape[-2:])
    return _cut(_cut(image, rows, 2), columns, 3)


def _cut(shot: Tensor, starts: list[int], axis: int) -> Tensor:
    """Windows along an axis, which they are counted along; what is in them becomes the last axis."""
    if len({after - before for before, after in pairwise(starts)}) <= 1:
        # evenly apart: a view, nothing is copied
        return shot.unfold(axis, WINDOW_PX, starts[1] - starts[0] if len(starts) > 1 else 1)
    return torch.stack([shot.narrow(axis, start, WINDOW_PX).movedim(axis, -1) for start in starts], dim=axis)


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


def _window_and_weights() -> tuple[Tensor, Tensor]:
    """(WINDOW_PX, WINDOW_PX) window, and (frequencies, BANDS) share of each frequency in a band's mean power."""
    hann = torch.hann_window(WINDOW_PX + 1, periodic=False, dtype=torch.float64)[:-1]
    window = hann[:, None] * hann[None, :]
    fy = torch.fft.fftfreq(WINDOW_PX, dtype=torch.float64) * WINDOW_PX
    fx = torch.fft.rfftfreq(WINDOW_PX, dtype=torch.float64) * WINDOW_PX
    radius = torch.hypot(fy[:, None], fx[None, :]).flatten()
    twice = torch.ones(WINDOW_PX, len(fx), dtype=torch.float64)
    twice[:, 1:-1] = 2  # the half plane that rfft2 leaves out
    edges = torch.tensor(EDGES, dtype=torch.float64)
    rings = (radius[:, None] >= edges[:-1]) & (radius[:, None] < edges[1:])
    weights = rings * twice.flatten()[:, None]
    return window, weights / weights.sum(dim=0) / window.square().sum()
