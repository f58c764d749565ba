"""Fusion without Fourier transforms or complex numbers, for images of one size: what exchange formats can hold.

A transform of fixed length is a product with a matrix of cosines and one of sines.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.restoration.fusion.bands import WINDOW_PX, BandSpectra
from tsva.restoration.fusion.filters import FREQUENCIES, RADIUS_PX, TwoShotWiener, between_nodes, fast_size
from tsva.restoration.pair_network import TwoShotModule

if TYPE_CHECKING:
    from tsva.restoration.fusion.network import Fusion

EXPORTED_PX = 224
"""Edge of the images that an exported Fusion takes: the patches that it is trained and scored on."""
KERNEL_PX = 2 * RADIUS_PX + 1


def with_matrices(network: Fusion, edge_px: int = EXPORTED_PX) -> Fusion:
    """A copy for images of edge_px × edge_px that computes the same by products of real matrices alone.

    The copy has an attribute `image_px`, the size it takes.
    """
    copy = deepcopy(network)
    copy.spectra = MatrixSpectra()
    copy.wiener = MatrixWiener(network.wiener, edge_px)  # type: ignore[assignment]
    copy.image_px = edge_px
    return copy


class AllOutputs(TwoShotModule):
    """Fusion with all that it estimates, for programs that know nothing of its methods.

    Parameters
    ----------
    network : Fusion
        For images of any size, or `with_matrices`.

    Attributes
    ----------
    outputs : tuple of str
        Names of what `forward` returns.
    """

    outputs = ("restored", "expected_error", "offset_um")

    def __init__(self, network: Fusion) -> None:
        super().__init__()
        self.network = network
        self.multiple, self.halo_px = network.multiple, network.halo_px
        self.image_px = network.image_px
        self.train(network.training)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Restore.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Shots at F - delta and F + delta, in [0, 1].

        Returns
        -------
        restored : (B, C, Y, X) float tensor
            Not clipped.
        expected_error : (B, 1, Y, X) float tensor
            Expected root mean square error of a pixel's colours.
        offset_um : (B, 2) float tensor
            Offset of F from the true focus, and its standard deviation; means of an image whose offset varies.
        """
        decision = self.network.decide(low, high)
        restored, sd = self.network.with_error(low, high, decision)
        offset_um = [each.reshape(low.shape[0], -1).mean(1) for each in (decision.focal_offset_um, decision.sd_um)]
        return restored, sd, torch.stack(offset_um, dim=1)


@dataclass(frozen=True)
class Parts:
    """A spectrum as two real tensors of one shape."""

    real: Tensor
    imag: Tensor


class MatrixTransform(nn.Module):
    """The real two-dimensional Fourier transform of images no larger than `size`, and its inverse.

    Parameters
    ----------
    size : (int, int)
        Of the transform.
    image : (int, int), optional
        Of the images, which zeros continue; by default as large.
    """

    rows: Tensor
    columns: Tensor
    twice: Tensor

    def __init__(self, size: tuple[int, int], image: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.size = size
        height, width = image or size
        kept = size[1] // 2 + 1
        self.register_buffer("rows", _waves(size[0], size[0], height), persistent=False)
        self.register_buffer("columns", _waves(kept, size[1], width), persistent=False)
        twice = np.full(kept, 2.0)  # the half that is left out
        twice[0] = 1
        if size[1] % 2 == 0:
            twice[-1] = 1
        self.register_buffer("twice", torch.from_numpy(twice / math.prod(size)).float(), persistent=False)

    def forward(self, image: Tensor) -> Parts:
        """(…, Y, X) real to (…, size Y, size X // 2 + 1)."""
        cos_y, sin_y = self.rows
        cos_x, sin_x = self.columns
        real, imag = image @ cos_x.T, -(image @ sin_x.T)
        return Parts(cos_y @ real + sin_y @ imag, cos_y @ imag - sin_y @ real)

    def inverse(self, spectrum: Parts) -> Tensor:
        """(…, Y, X): what `forward` made the spectrum of."""
        cos_y, sin_y = self.rows
        cos_x, sin_x = self.columns
        real, imag = spectrum.real * self.twice, spectrum.imag * self.twice
        along_y = cos_y.T @ real - sin_y.T @ imag, cos_y.T @ imag + sin_y.T @ real
        return along_y[0] @ cos_x - along_y[1] @ sin_x


def _waves(frequencies: int, length: int, points: int) -> Tensor:
    """(2, frequencies, points): cosines and sines of 2π k x / length."""
    turns = np.outer(np.arange(frequencies), np.arange(points)) % length / length
    return torch.from_numpy(np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)])).float()


class MatrixSpectra(BandSpectra):
    """`BandSpectra` by matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = MatrixTransform((WINDOW_PX, WINDOW_PX))

    def transformed(self, windows: Tensor) -> Parts:  # type: ignore[override]
        """(…, frequencies) of windows, (…, WINDOW_PX, WINDOW_PX)."""
        found = self.transform(windows)
        return Parts(found.real.flatten(-2), found.imag.flatten(-2))


class MatrixWiener(nn.Module):
    """`TwoShotWiener` for images of one size and one offset each.

    Parameters
    ----------
    wiener : TwoShotWiener
        Whose filters are taken.
    edge_px : int
        Of the images.
    """

    kernels_of_responses: Tensor

    def __init__(self, wiener: TwoShotWiener, edge_px: int) -> None:
        super().__init__()
        self.wiener, self.edge_px = wiener, edge_px
        size = fast_size(edge_px)
        self.of_shots, self.of_kernel = MatrixTransform((size, size)), MatrixTransform((size, size), (KERNEL_PX,) * 2)
        # kernels are linear in the responses
        unit = wiener.cut_kernels(torch.eye(FREQUENCIES)).reshape(FREQUENCIES, -1)
        self.register_buffer("kernels_of_responses", unit, persistent=False)

    @property
    def tables(self) -> Tensor:
        """Those of the filters."""
        return self.wiener.tables

    def forward(self, near: Tensor, far: Tensor, focal_offset_um: Tensor, noise_to_signal: Tensor) -> Tensor:
        """(B, C, Y, X): see `TwoShotWiener`; `focal_offset_um` is (B,)."""
        responses = between_nodes(self.wiener.kernels(noise_to_signal), focal_offset_um)
        kernels = (responses @ self.kernels_of_responses).unflatten(-1, (KERNEL_PX, KERNEL_PX))
        margins = (RADIUS_PX, self.of_shots.size[1] - self.edge_px - RADIUS_PX)
        summed: list[Tensor] = []
        for number, shot in enumerate((near, far)):
            spectrum = self.of_shots(functional.pad(shot, (*margins, *margins), mode="reflect"))
            filters = self.of_kernel(kernels[:, number])
            real = spectrum.real * filters.real - spectrum.imag * filters.imag
            imag = spectrum.real * filters.imag + spectrum.imag * filters.real
            summed = [real, imag] if not summed else [summed[0] + real, summed[1] + imag]
        part = slice(2 * RADIUS_PX, 2 * RADIUS_PX + self.edge_px)
        return self.of_shots.inverse(Parts(*summed))[..., part, part]
