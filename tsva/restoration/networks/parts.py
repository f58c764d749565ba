"""What the U-shaped networks are made of."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional


def unit(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 convolution, batch normalisation (which has the bias), ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class ContractingPath(nn.Module):
    """Two units a level, 2×2 max pooling between levels.

    Parameters
    ----------
    channels : int
        Of the image.
    widths : sequence of int
        Channels at each level, the finest first.
    """

    def __init__(self, channels: int, widths: list[int]) -> None:
        super().__init__()
        inputs = [channels, *widths[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(unit(before, width), unit(width, width)) for before, width in zip(inputs, widths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of every level, the finest first: (B, widths[i], Y / 2**i, X / 2**i)."""
        features: list[Tensor] = []
        for level in self.levels:
            x = level(functional.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class UpConvolution(nn.Module):
    """Upsampling by two (nearest) and a 2×2 convolution, as U-Net's and the paper's text have it.

    A transposed 2×2 convolution of stride 2 has the same weights and a quarter of the arithmetic, but is another layer.

    Upsampled pixels are equal in fours, so that each of the four phases of the output is a 2×2 convolution of the small
    image with sums of the weights. All four are computed there at once: equal to rounding, with less memory traffic.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, Y, X) -> (B, outputs, 2Y, 2X); zeros beyond the lower and right edges."""
        outputs = self.convolution.out_channels
        bias = self.convolution.bias
        assert bias is not None
        weights = _phases(self.convolution.weight).contiguous(memory_format=torch.channels_last)
        small = functional.conv2d(functional.pad(x, (0, 1, 0, 1)), weights, bias.repeat_interleave(4))
        assert small.shape[1] == 4 * outputs
        return functional.pixel_shuffle(small, 2)


def _phases(weight: Tensor) -> Tensor:
    """(outputs, inputs, 2, 2) -> (4 outputs, inputs, 2, 2): for each output, its phases (0, 0), (0, 1), (1, 0), (1, 1).

    Even rows of the output lie over two copies of one row of the small image, odd ones over that row and the next.
    """
    rows = torch.stack(
        [torch.stack([weight.sum(2), torch.zeros_like(weight[:, :, 0])], 2), weight], 1
    )  # (outputs, phase of y, inputs, 2, 2)
    both = torch.stack([torch.stack([rows.sum(4), torch.zeros_like(rows[..., 0])], 4), rows], 2)
    return both.flatten(0, 2)


class ExpansivePath(nn.Module):
    """At each level an up-convolution, concatenation with the contracting features, and units.

    Parameters
    ----------
    widths : sequence of int
        Channels at each level, the finest first.
    paths : int
        Contracting paths whose features come in, concatenated.
    units : int
        3×3 convolutions at each level.
    """

    def __init__(self, widths: list[int], *, paths: int, units: int) -> None:
        super().__init__()
        self.ups, self.levels = nn.ModuleList(), nn.ModuleList()
        inputs = paths * widths[-1]
        for width in reversed(widths[:-1]):
            self.ups.append(UpConvolution(inputs, width))
            first = unit(width + paths * width, width)
            self.levels.append(nn.Sequential(first, *(unit(width, width) for _ in range(units - 1))))
            inputs = width

    def forward(self, features: list[Tensor]) -> Tensor:
        """(B, widths[0], Y, X) from the features of every level, the finest first."""
        *finer, x = features
        for up, level, skipped in zip(self.ups, self.levels, reversed(finer), strict=True):
            x = level(torch.cat([up(x), skipped], dim=1))
        return x


def single_precision(device: torch.device) -> AbstractContextManager[object]:
    """Where autocast, if on, is off: spectra and filters of full range don't fit into bfloat16's eight bits."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def zero_started(convolution: nn.Conv2d) -> nn.Conv2d:
    """The convolution with weights and bias set to zero, so that a residual begins as nothing."""
    nn.init.zeros_(convolution.weight)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """(2B, C, Y, X) -> two views (B, C, Y, X); `Tensor.chunk` would fix the batch in an exported graph."""
    first, second = x.unflatten(0, (2, x.shape[0] // 2)).unbind()
    return first, second


def reflected_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Images grown at their lower and right edges, by reflection, to whole multiples; even one pixel is enough.

    Parameters
    ----------
    images : (B, C, Y, X) tensor
    multiple : int

    Returns
    -------
    (B, C, Y', X') tensor
        ``images`` itself where nothing is to be added.
    """
    for axis in (-2, -1):
        size = images.shape[axis]
        # An exported graph has to fit every size, so that it always has this step.
        if torch.compiler.is_exporting() or size % multiple:
            grown = (size + multiple - 1) // multiple * multiple
            images = images.index_select(axis, reflected(size, 0, grown, images.device))
    return images


def halo_px(levels: int, units: int, after: int = 0) -> int:
    """How far a pixel of the output can see, at most: what tiles have to overlap by.

    A 3×3 convolution on level i reaches 2**i pixels further, as do a pooling from it, the upsampling to it and the 2×2
    convolution after that; `after` more of them may follow on the finest level. Rounded up to a multiple of the
    coarsest cell, so that tiles keep the pooling grid.
    """
    contracting = sum(2 * 2**i for i in range(levels)) + sum(2**i for i in range(levels - 1))
    expansive = sum((units + 2) * 2**i for i in range(levels - 1))
    cell = 2 ** (levels - 1)
    return -(-(contracting + expansive + after) // cell) * cell


def equal_parts(size: int, most: int) -> list[tuple[int, int]]:
    """Where equal parts of an axis begin and end, none larger than `most`."""
    step = -(-size // -(-size // most))
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def reflected(size: int, first: int, stop: int, device: torch.device) -> Tensor:
    """Indices of an axis of `size` pixels that continue it by reflection, from `first` (which may be negative) on.

    An exported graph can't divide by a size that it doesn't know; it takes one cell at least, which folds once.
    """
    period = 2 * size - 2 if size > 1 else 1
    index = torch.arange(first, stop, device=device)
    index = index.abs() if torch.compiler.is_exporting() else index % period
    return torch.minimum(index, period - index)
