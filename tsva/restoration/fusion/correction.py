"""The residual network that corrects Fusion's linear estimate: its blocks, what steers them, and maps of regions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.acquisition.pair import squared_gradients
from tsva.acquisition.sharpness import is_sharper
from tsva.restoration.blend import CELL_PX, coarse, fine
from tsva.restoration.fusion import bands
from tsva.restoration.networks.parts import equal_parts, reflected_to_multiple, zero_started

CELL = 2
"""The network works on cells of 2×2 pixels."""
TENTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)
"""Sizes of the offset, as multiples of δ: at 1 a shot may be in focus, and nearby the best answer changes fast."""
CONDITIONS = len(TENTS) + 1
MEASURES, HIDDEN = 6, 16
"""What the gate looks at, and its hidden channels."""
FIRST_LOGIT = 1.5
"""The gate's share before training: 82 %."""
LEAST_MEASURE = 1e-8
SIZES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Sizes of the offset, as multiples of δ, between which the next ones and the expected errors' factors are linear."""
MOST_WEIGHT = (1.0, 1.0, 1.0, 0.8, 0.5)
"""Largest weight there of the image that a new network restores, where the offset is certain: far from the focus,
estimates that are far off may seem to be."""
HALF_SD = (0.6, 0.45, 0.3, 0.27, 0.6)
"""Standard deviation of the offset, as a multiple of δ, that halves it: a restoration at a wrong offset does the most
harm where one shot is nearly in focus. Chosen on development laboratories."""

CONTRAST_EXPONENT = 0.2
"""Errors of results rise with this power of the power of the specimen's structures (relative to the image's level),
which the error head follows too little. Chosen on development laboratories."""
MOST_CONTRAST = 2.5
"""Logarithm of that power, from the verification pairs' mean, beyond which errors rise no further."""


class CellConvolution(nn.Conv2d):
    """A 1x1 convolution of cells of pixels, (B, 4 C, Y / 2, X / 2), that is given the pixels, (B, C, Y, X).

    As a convolution of stride 2 it takes a quarter of the time: nothing is rearranged.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(B, width, Y / CELL, X / CELL) of whole cells."""
        weight = self.weight.reshape(self.out_channels, -1, CELL, CELL)
        images = images.contiguous(memory_format=torch.channels_last)
        return functional.conv2d(images, weight, self.bias, stride=CELL)


class Block(nn.Module):
    """x + convolution(SiLU(x steered by the conditions))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.steer = nn.Conv2d(CONDITIONS, 2 * width, 1)
        zero_started(self.steer)
        self.convolution = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        scale, shift = self.steer(conditions).chunk(2, dim=1)
        corrected: Tensor = x + self.convolution(functional.silu(torch.addcmul(shift, x, 1 + scale)))
        return corrected


class Gate(nn.Module):
    """Share of the restored image in its blend with the nearer shot, by what the images look like round about.

    Whether a shot that lies near focus is to be trusted more than a restoration at an uncertain offset shows in how
    sharp both are; the share is learnt with the image's own loss.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(MEASURES + CONDITIONS, HIDDEN, 1), nn.SiLU(), nn.Conv2d(HIDDEN, 1, 1))
        last = zero_started(self.layers[-1])  # type: ignore[arg-type]
        assert last.bias is not None
        nn.init.constant_(last.bias, FIRST_LOGIT)

    def forward(self, near: Tensor, far: Tensor, restored: Tensor, conditions: Tensor) -> Tensor:
        """(B, 1, Y, X) between 0 and 1.

        Parameters
        ----------
        near, far, restored : (B, C, Y, X) float tensors
            Relative to the image's level.
        conditions : (B, CONDITIONS, 1, 1) or (B, CONDITIONS, Y / CELL, X / CELL) float tensor
        """
        images = [image.mean(dim=1, keepdim=True) for image in (near, far, restored)]
        edges = [coarse((image - _mean_of_nine(image)).square()) for image in images]
        differences = [coarse((images[k] - images[k - 1]).square()) for k in range(3)]
        squares = torch.cat([*edges, *differences], dim=1)
        # not the sum's logarithm: exported files lose a summand that small, and a blank image is all zeros
        logarithms = torch.log1p(squares / LEAST_MEASURE) + math.log(LEAST_MEASURE)
        height, width = near.shape[-2:]
        if conditions.shape[-1] > 1:
            conditions = conditions[..., : -(-height // CELL), : -(-width // CELL)]
            conditions = functional.avg_pool2d(conditions, CELL_PX // CELL, ceil_mode=True, count_include_pad=False)
        steering = conditions.expand(-1, -1, *logarithms.shape[-2:])
        # about zero and one, as sharpness of tissue has it
        found = self.layers(torch.cat([(logarithms + 9) / 3, steering], dim=1))
        return fine(torch.sigmoid(found), height, width)


def _mean_of_nine(images: Tensor) -> Tensor:
    """Means of 3 x 3 pixels, of those that there are at the edges; a third of the time of pooling."""
    for axis in (-2, -1):
        before, after = [0, 0, 0, 0], [0, 0, 0, 0]
        size = images.shape[axis]
        if size == 1:
            continue
        at = 2 if axis == -2 else 0
        before[at], after[at + 1] = 1, 1
        total = images + functional.pad(images.narrow(axis, 0, size - 1), before)
        total = total + functional.pad(images.narrow(axis, 1, size - 1), after)
        count = torch.full((size,), 1 / 3, device=images.device, dtype=images.dtype)
        count[0] = count[-1] = 1 / 2
        images = total * (count[:, None] if axis == -2 else count)
    return images


def by_size(focal_offset_um: Tensor, delta_um: float, values: Tensor) -> Tensor:
    """Values that are given at `SIZES`, (len(SIZES),), at offsets: (B, 1, 1, 1) or (B, 1, Y, X).

    Parameters
    ----------
    focal_offset_um : (B,) or (B, 1, Y, X) float tensor
    delta_um : float
        Half the distance between the shots.
    values : (len(SIZES),) float tensor
    """
    size = focal_offset_um.abs() / delta_um
    size = size.reshape(-1, 1, 1, 1) if size.ndim == 1 else size
    # linear between the sizes and constant beyond, by the change of the slope at each
    slopes = values.diff() / torch.tensor(SIZES, device=values.device).diff()
    changes = torch.cat([slopes[:1], slopes.diff(), -slopes[-1:]])
    found = values[0].expand_as(size)
    for at, change in zip(SIZES, changes, strict=True):
        found = torch.addcmul(found, (size - at).clamp(min=0), change)
    return found


def geometric_mean(values: Tensor) -> Tensor:
    """(B, …) of positive values of regions, (B, regions, …)."""
    return values.log().mean(1).exp()


def log_contrast(signal: Tensor, mean: Tensor) -> Tensor:
    """(B,) logarithm of the power of the specimen's structures relative to the images' level, of (B, C) each."""
    return (signal / mean.square()).log().mean(dim=1)


def contrast_factor(contrast: Tensor, by_contrast: Tensor) -> Tensor:
    """(B, 1, 1, 1) factor of expected errors, as structures of more power leave larger ones.

    Parameters
    ----------
    contrast : (B,) float tensor
        Of `log_contrast`.
    by_contrast : (3,) float tensor
        Exponent, the usual contrast, and how far from there errors follow it.
    """
    exponent, usual, most = by_contrast.unbind()
    above = torch.minimum(torch.maximum(contrast - usual, -most), most)
    return (exponent * above).exp().reshape(-1, 1, 1, 1)


def most_weight(focal_offset_um: Tensor, sd_um: Tensor, delta_um: float, most: Tensor, doubt: Tensor) -> Tensor:
    """Largest weight of a restored image, (B, 1, 1, 1) or (B, 1, Y, X), by its offset and how uncertain that is.

    Parameters
    ----------
    focal_offset_um, sd_um : (B,) or (B, 1, Y, X) float tensors
    delta_um : float
        Half the distance between the shots.
    most, doubt : (len(SIZES),) float tensors
        The weight where the offset is certain, and the inverse square of the standard deviation, as a multiple of δ,
        that halves it; 0: none does.
    """
    certain = by_size(focal_offset_um, delta_um, most)
    sd = sd_um.reshape(-1, 1, 1, 1) if sd_um.ndim == 1 else sd_um
    return certain / (1 + (sd / delta_um).square() * by_size(focal_offset_um, delta_um, doubt))


def agreement(focal_offset_um: Tensor, high_share: Tensor | None, contradicted: Tensor) -> Tensor:
    """Factor of a restored image's weight, (B, 1, 1, 1) or (B, 1, Y, X): 1 where the sharper shot is the nearer one.

    Parameters
    ----------
    focal_offset_um : (B,) or (B, 1, Y, X) float tensor
    high_share : (B, 1, 1, 1) or (B, 1, Y, X) float tensor, optional
        1 where the high shot is the sharper one, 0 where the low one is. None: the offset says which one is.
    contradicted : () float tensor
        The factor where it is the farther one by the sign of the offset.
    """
    if high_share is None:
        return torch.ones_like(contradicted)
    offset_um = focal_offset_um.reshape(-1, 1, 1, 1) if focal_offset_um.ndim == 1 else focal_offset_um
    agrees = torch.where(offset_um < 0, high_share, 1 - high_share)
    return torch.lerp(contradicted, torch.ones_like(contradicted), agrees)


def tents(value: Tensor, at: tuple[float, ...]) -> Tensor:
    """(B, len(at), Y, X): shares of `value`, (B, 1, Y, X), in the hat functions of the knots."""
    value = value.clamp(max=float(np.nextafter(np.float32(at[-1]), np.float32(0))))
    knots = torch.tensor(at, device=value.device)
    gaps = knots.diff()
    rising = (value - torch.cat([knots[:1] - gaps[:1], knots[:-1]])[None, :, None, None]) / torch.cat([gaps[:1], gaps])[
        None, :, None, None
    ]
    falling = (torch.cat([knots[1:], knots[-1:] + gaps[-1:]])[None, :, None, None] - value) / torch.cat(
        [gaps, gaps[-1:]]
    )[None, :, None, None]
    return torch.minimum(rising, falling).clamp(0, 1)


def conditions(focal_offset_um: Tensor, delta_um: float, noise: Tensor, level: Tensor) -> Tensor:
    """(B, CONDITIONS, 1, 1) or (B, CONDITIONS, Y / CELL, X / CELL): size of the offset in tents, and the noise.

    Parameters
    ----------
    focal_offset_um : (B,) or (B, 1, Y, X) float tensor
    delta_um : float
        Half the distance between the shots.
    noise : (B, C) float tensor
        Variance of the shots' noise.
    level : (B, 1, 1, 1) float tensor
        Mean of the image.
    """
    size = focal_offset_um.abs() / delta_um
    if size.ndim == 1:
        size = size.reshape(-1, 1, 1, 1)
    else:
        size = functional.avg_pool2d(reflected_to_multiple(size, CELL), CELL)
    relative = (noise.mean(1).reshape(-1, 1, 1, 1) / level.square()).log() / 2 + 5
    return torch.cat([tents(size, TENTS), relative.expand(-1, 1, *size.shape[-2:])], dim=1)


def sharper_regions(low: Tensor, high: Tensor, most_windows: int) -> Tensor:
    """(B, 1, Y, X): 1 in the regions whose sharper shot is `high`, 0 in those whose is `low`, linear between their
    middles. A region has at most so many windows each way."""
    gradients = []
    for shot in (low, high):
        of_windows = bands.window_means(squared_gradients(shot))
        size = [min(most_windows, n) for n in of_windows.shape[-2:]]
        gradients.append(functional.avg_pool2d(of_windows, size, stride=1))
    return per_pixel(is_sharper(gradients[1], gradients[0]).to(low.dtype), low)


def per_pixel(grid: Tensor, like: Tensor) -> Tensor:
    """Values of regions, (B, 1, Ry, Rx), per pixel: linear between the regions' middles, constant beyond."""
    for axis, size in ((-2, like.shape[-2]), (-1, like.shape[-1])):
        starts = bands.window_starts(size)
        count = grid.shape[axis]
        along = len(starts) - count
        middles = np.array([(starts[i] + starts[i + along] + bands.WINDOW_PX) / 2 for i in range(count)])
        place = torch.from_numpy(np.interp(np.arange(size) + 0.5, middles, np.arange(count))).to(grid)
        below = place.floor().clamp(max=max(count - 2, 0)).long()
        shape = [1, 1, 1, 1]
        shape[axis] = size
        share = (place - below).reshape(shape)
        above = (below + 1).clamp(max=count - 1)
        grid = torch.lerp(grid.index_select(axis, below), grid.index_select(axis, above), share)
    return grid


def in_blocks(
    corrected: Callable[[tuple[Tensor, ...], Tensor], tuple[Tensor, ...]],
    images: tuple[Tensor, ...],
    steering: Tensor,
    reach: int,
    block_px: int = 224,
) -> tuple[Tensor, ...]:
    """What a function makes of images, without gradients block by block: features of a whole image leave the cache.

    Parameters
    ----------
    corrected : callable
        Of images and steering: (B, ·, Y, X) tensors.
    images : tuple of (B, C, Y, X) float tensors
    steering : (B, CONDITIONS, 1, 1) or (B, CONDITIONS, Y / CELL, X / CELL) float tensor
    reach : int
        How far a cell of the result sees, in cells.
    block_px : int
        Largest edge of a block.
    """
    size = images[0].shape[-2:]
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or max(size) <= block_px:
        return corrected(images, steering)
    found: list[Tensor] = []
    parts = (equal_parts(-(-pixels // CELL), block_px // CELL) for pixels in size)
    for (top, bottom), (left, right) in product(*parts):
        y, x = max(top - reach, 0), max(left - reach, 0)
        seen = ..., slice(y, bottom + reach), slice(x, right + reach)
        made = corrected(
            tuple(image[_pixels(seen)] for image in images), steering[seen] if steering.shape[-1] > 1 else steering
        )
        found = found or [part.new_empty(*part.shape[:-2], *size) for part in made]
        place = ..., slice(top, bottom), slice(left, right)
        inner = ..., slice(top - y, bottom - y), slice(left - x, right - x)
        for whole, part in zip(found, made, strict=True):
            whole[_pixels(place)] = part[_pixels(inner)]
    return tuple(found)


def _pixels(cells: tuple[Any, slice, slice]) -> tuple[Any, ...]:
    """Index of pixels of an index of cells."""
    return cells[0], *(slice(CELL * each.start, CELL * each.stop) for each in cells[1:])
