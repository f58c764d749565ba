"""A restored image blended with the sharper shot, by the errors that are expected of both: where restoring is expected
to gain nothing, the shot stays as it is.

A network predicts the logarithm of the squared error of both images, pixel by pixel. The weight of the restored image
follows from the two errors averaged over a neighbourhood, so that it varies slowly and copies no structure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.restoration.pair_network import Pairs

CELL_PX = 8
"""Errors are averaged over cells of this edge, which the tiles of a large image are aligned to."""
NEIGHBOURS = 5
"""And over so many cells each way: 40 pixels."""
REACH_PX = CELL_PX * (NEIGHBOURS // 2 + 1)
"""How far a weight sees."""
EVEN_DB = 0.5
"""Expected gain at which the restored image has half of the weight. Chosen on development laboratories."""
SLOPE_DB = 0.5
"""Expected gain, from there, that makes the weight 73 %."""
LEAST_LOG, MOST_LOG = -13.0, -4.6
"""Logarithm of an expected squared error, relative to the image's level: 0.15 to 10 %."""
ERROR_WEIGHT = 0.1
"""Of the likelihood in the training loss, beside the images' own."""
HARM_WEIGHT = 2.0
"""Of `harm` there: a decibel lost against the better shot counts as much as three gained."""
COMMON_PAIRS = 2.0
MOST_FACTOR = 4.0
"""A factor of expected errors is at most this, and at least its inverse."""
LEAST_VARIANCE = 1e-6
"""Relative squared error that the likelihood does not resolve: 0.1 %."""


class ErrorHead(nn.Module):
    """Logarithms of the squared errors that are expected of the restored image and of the sharper shot.

    It reads features that it does not train, so that the image is the same with it and without.

    Parameters
    ----------
    width : int
        Channels of the features.
    cell : int
        Edge of the cell of pixels that a place of the features stands for.
    """

    calibration: Tensor

    def __init__(self, width: int, cell: int = 1) -> None:
        super().__init__()
        self.cell = cell
        self.convolution = nn.Conv2d(width, 2 * cell * cell, 1)
        nn.init.zeros_(self.convolution.weight)
        assert self.convolution.bias is not None
        nn.init.constant_(self.convolution.bias, -8.0)
        # true over expected errors, of the restored image and of the shot, on verification pairs
        self.register_buffer("calibration", torch.ones(2))

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, Y, X) to (B, 2, cell · Y, cell · X), of expected errors without the calibration."""
        found = self.convolution(features.detach())
        return functional.pixel_shuffle(found, self.cell) if self.cell > 1 else found

    def errors(self, logarithms: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Expected errors, (B, 1, Y, X) each, of the restored image and of the shot, of images in [0, 1].

        Parameters
        ----------
        logarithms : (B, 2, Y, X) float tensor
            Of `forward`.
        level : (B, 1, 1, 1) float tensor
            Mean of the image.
        """
        # an exponential knows no bounds, and an image unlike all training images would find that out
        sd = (logarithms.float().clamp(LEAST_LOG, MOST_LOG) / 2).exp() * self.calibration.reshape(1, 2, 1, 1) * level
        return sd[:, :1], sd[:, 1:]

    def calibrate(self, pairs: Iterable[Unblended]) -> None:
        """Scale the expected errors to those that occur in pairs of one image each."""
        true, expected = [], []
        for pair in pairs:
            true.append([float((image - pair.target).square().mean()) for image in (pair.restored, pair.shot)])
            expected.append([float(sd.square().mean()) for sd in self.errors(pair.logarithms, pair.level)])
        self.calibration.mul_(calibration(torch.tensor(true), torch.tensor(expected)))


@dataclass(frozen=True)
class Unblended:
    """A pair before blending, and what it should become.

    Attributes
    ----------
    target, restored, shot : (1, C, Y, X) float tensors
    logarithms : (1, 2, Y, X) float tensor
        Of `ErrorHead.forward`.
    level : (1, 1, 1, 1) float tensor
        Mean of the image.
    decision : Any
        What the network decided for the pair.
    """

    target: Tensor
    restored: Tensor
    shot: Tensor
    logarithms: Tensor
    level: Tensor
    decision: Any

    @property
    def nbytes(self) -> int:
        """Memory of the maps."""
        return sum(each.nbytes for each in (self.restored, self.shot, self.target, self.logarithms))


class UnblendedPairs:
    """Pairs before blending, in order, any number of times: computed once where memory allows, else each time.

    Parameters
    ----------
    pairs : Pairs
    decide : callable
        Of low and high shot, (1, C, Y, X) in [0, 1]: what the network decides.
    unblended : callable
        Of both shots and that: restored image, shot, logarithms and level of `Unblended`.
    most_bytes : int
        So many are kept from one time to the next.
    """

    def __init__(
        self,
        pairs: Pairs,
        decide: Callable[[Tensor, Tensor], Any],
        unblended: Callable[[Tensor, Tensor, Any], tuple[Tensor, Tensor, Tensor, Tensor]],
        most_bytes: int = 256 << 20,
    ) -> None:
        self._pairs, self._decide, self._unblended, self._left = pairs, decide, unblended, most_bytes
        self._kept: dict[int, Unblended] = {}

    def __iter__(self) -> Iterator[Unblended]:
        for number in range(len(self._pairs)):
            found = self._kept.get(number)
            if found is None:
                low, high, target = (shot[None].float() / 255 for shot in self._pairs[number][:3])
                decision = self._decide(low, high)
                found = Unblended(target, *self._unblended(low, high, decision), decision)
                if found.nbytes <= self._left:
                    self._left -= found.nbytes
                    self._kept[number] = found
            yield found


def blended(
    restored: Tensor, shot: Tensor, sd_restored: Tensor, sd_shot: Tensor, most: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The restored image where it is expected to be better than the shot, and the shot where it is not.

    Parameters
    ----------
    restored, shot : (B, C, Y, X) float tensors
    sd_restored, sd_shot : (B, 1, Y, X) float tensors
        Expected errors.
    most : (B, 1, 1, 1) or (B, 1, Y, X) float tensor, optional
        The largest weight that the restored image may have.

    Returns
    -------
    image : (B, C, Y, X) float tensor
    sd : (B, 1, Y, X) float tensor
        Its expected error: the square of a mean is at most the mean of the squares.
    """
    share = weight(sd_restored, sd_shot)
    share = share if most is None else share * most
    sd = torch.lerp(sd_shot.square(), sd_restored.square(), share).sqrt()
    return torch.lerp(shot, restored.to(shot.dtype), share.to(shot.dtype)), sd


def weight(sd_restored: Tensor, sd_shot: Tensor) -> Tensor:
    """Weight of the restored image, (B, 1, Y, X), between 0 and 1: a logistic of the gain expected round about, in dB.

    Parameters
    ----------
    sd_restored, sd_shot : (B, 1, Y, X) float tensors
        Expected errors.
    """
    height, width = sd_restored.shape[-2:]
    squares = torch.cat([sd_restored, sd_shot], dim=1).square()
    near = coarse(squares).log()
    gain_db = 10 / math.log(10) * (near[:, 1:] - near[:, :1])
    return fine(torch.sigmoid((gain_db - EVEN_DB) / SLOPE_DB), height, width)


def coarse(maps: Tensor) -> Tensor:
    """Means of maps, (B, N, Y, X), round about each cell: (B, N, Y / CELL_PX, X / CELL_PX), rounded up."""
    cells = functional.avg_pool2d(maps, CELL_PX, ceil_mode=True, count_include_pad=False)
    return functional.avg_pool2d(cells, NEIGHBOURS, 1, NEIGHBOURS // 2, count_include_pad=False)


def fine(cells: Tensor, height: int, width: int) -> Tensor:
    """Cells, (B, N, ·, ·), as maps of pixels, (B, N, height, width), linear between the cells' middles."""
    return functional.interpolate(cells, scale_factor=float(CELL_PX), mode="bilinear")[..., :height, :width]


def harm(restored: Tensor, low: Tensor, high: Tensor, target: Tensor) -> Tensor:
    """Mean over pairs of how much (logarithm of the squared error) restored images are worse than the better shot."""
    errors = [(image - target).square().mean(dim=(1, 2, 3)) + LEAST_VARIANCE for image in (restored, low, high)]
    return (errors[0].log() - torch.minimum(errors[1], errors[2]).log()).clamp(min=0).mean()


def likelihood(logarithms: Tensor, restored: Tensor, shot: Tensor, target: Tensor, level: Tensor) -> Tensor:
    """Heteroscedastic likelihood (its negative logarithm) of both images' errors; it trains the error head alone.

    Parameters
    ----------
    logarithms : (B, 2, Y, X) float tensor
        Of `ErrorHead`.
    restored, shot, target : (B, C, Y, X) float tensors
    level : (B, 1, 1, 1) float tensor
        Mean of the image.
    """
    errors = [(image.detach() - target).square().mean(dim=1, keepdim=True) for image in (restored, shot)]
    squares = torch.cat(errors, dim=1) / level.square()
    variance = logarithms.float().clamp(LEAST_LOG, MOST_LOG).exp() + LEAST_VARIANCE
    return (variance.log() + squares / variance).mean()


def calibration(true: Tensor, expected: Tensor) -> Tensor:
    """Geometric mean, over pairs, of the ratio of true to expected root mean square errors.

    Parameters
    ----------
    true, expected : (N, 2) float tensors
        Mean squared errors of each pair.

    Returns
    -------
    (2,) float tensor
        1 where no pair says anything: a target that is met exactly (a blank one) says nothing of errors.
    """
    ratio = (true / expected).log()
    known = torch.isfinite(ratio)
    return (torch.where(known, ratio, 0).sum(dim=0) / known.sum(dim=0).clamp(min=1) / 2).exp()


def factors(true: Tensor, expected: Tensor, shares: Tensor) -> Tensor:
    """Ratio of true to expected root mean square errors in groups of pairs.

    Parameters
    ----------
    true, expected : (N,) float tensors
        Mean squared errors of each pair. The ratio is that of the means of their roots: of the squares' means, a few
        pairs whose restoration failed would raise the errors that are expected of all others.
    shares : (N, groups) float tensor
        How much of each pair is in each group.

    Returns
    -------
    (groups,) float tensor
        Each group has `COMMON_PAIRS` beside its own, as all pairs are in the mean: a few pairs say little.
    """
    true, expected = true.sqrt(), expected.sqrt()
    usual = expected.mean()
    common = true.mean() / usual if float(usual) > 0 else torch.ones(())
    found = true @ shares + COMMON_PAIRS * common * usual
    return (found / (expected @ shares + COMMON_PAIRS * usual).clamp(min=1e-10)).clamp(MOST_FACTOR**-1, MOST_FACTOR)
