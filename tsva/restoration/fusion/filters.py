"""Two-shot Wiener restoration of thick sections as finite kernels: the start of our own network."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product

import numpy as np
import scipy.fft
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn
from torch.nn import functional

from tsva.optics.otf import OtfTable, share_to_knots
from tsva.restoration.layered_section import Layers, layered_powers
from tsva.restoration.networks.parts import equal_parts, reflected
from tsva.settings.acquisition import OpticsSettings

NODE_STEP_UM = 0.25
NODES = 27
"""Kernels are made for |n| = 0, 0.25 … 6.5 µm and interpolated linearly between."""
REACH_UM = (NODES - 1) * NODE_STEP_UM
DEPTH_SD_UM = 1.0
"""Matter lies this far above and below the focal surface: section's thickness, topography, the grid of planes."""
GRID_PX = 64
"""Kernels are computed on this many pixels each way."""
RADIUS_PX = 20
"""And cut to this radius; at 3.5 µm of defocus a point's image is 12 pixels wide."""
TAPER_PX = 6
SLOPE = 2.6
"""Power of tissue falls with frequency to the minus this (training slides: 2.5 to 2.7)."""
FREQUENCIES = 96
LAYERS, LAYERS_REACH = 9, 2.4
"""Of the section: so many, up to so many standard deviations of its depth from the middle."""
LOWEST_FREQUENCY = 1 / 224
"""Cycles a pixel: below, the specimen's power rises no further."""


class TwoShotWiener(nn.Module):
    """Linear estimate of the in-focus image with the least mean squared error, given offset and noise.

    The section is taken as many layers whose structures have nothing in common, at depths z with weights w. With H_z
    the transfer function at defocus z, and shots at n - δ and n + δ, the spectra of shots and target are
    A_ij = S Σ w H_i H_j + N [i = j] and C_i = S Σ w H_0 H_i; the filters are C A⁻¹. One layer gives the textbooks'
    filter, which trusts a blurred shot's low frequencies more than they deserve.

    Parameters
    ----------
    optics : OpticsSettings
    delta_um : float
        Half the distance between the shots.
    channels : int
        3, or 1 (which takes green's transfer function).

    Attributes
    ----------
    block_px : int
        Images whose offset varies are restored in blocks of at most this edge: their transforms stay in the cache, and
        few nodes' kernels concern each.
    most_kept_bytes : int
        Of the spectra of kernels.
    """

    block_px = 240
    most_kept_bytes = 96 << 20
    tables: Tensor
    shape: Tensor
    below: Tensor
    share: Tensor
    taper: Tensor

    def __init__(self, optics: OpticsSettings, delta_um: float, channels: int) -> None:
        super().__init__()
        self.channels, self.optics, self.delta_um = channels, optics, delta_um
        tables, radius = _tables(optics, delta_um, channels)
        self.register_buffer("tables", torch.from_numpy(tables).float(), persistent=False)  # (8, node, C, F)
        frequency = np.linspace(0, math.sqrt(0.5), FREQUENCIES)
        shape = np.maximum(frequency, LOWEST_FREQUENCY) ** -SLOPE
        self.register_buffer("shape", torch.from_numpy(shape).float(), persistent=False)
        place = torch.from_numpy(radius / math.sqrt(0.5) * (FREQUENCIES - 1))
        below = place.floor().clamp(max=FREQUENCIES - 2).long()
        self.register_buffer("below", below, persistent=False)
        self.register_buffer("share", (place - below).float(), persistent=False)
        self.register_buffer("taper", _taper(), persistent=False)
        self._kept_of: tuple[object, ...] = ()
        self._kept: dict[tuple[int, tuple[int, int]], Tensor] = {}

    def kernels(self, noise_to_signal: Tensor) -> Tensor:
        """Filters at every node.

        Parameters
        ----------
        noise_to_signal : (B, C) float tensor
            Variance of the noise over the power of the specimen at frequency 1 (which falls as f^-SLOPE).

        Returns
        -------
        (B, node, 2, C, F) float tensor
            Responses over radial frequency, for the shot nearer to focus and the farther one.
        """
        near, far, _, to_near, to_far, determinant, for_near, for_far = self.tables[:, None]
        ratio = noise_to_signal[:, None, :, None] / self.shape
        determinant = determinant + ratio * (near + far + ratio)
        return torch.stack([for_near + to_near * ratio, for_far + to_far * ratio], dim=2) / determinant[:, :, None]

    def forward(self, near: Tensor, far: Tensor, focal_offset_um: Tensor, noise_to_signal: Tensor) -> Tensor:
        """Restore.

        Parameters
        ----------
        near, far : (B, C, Y, X) float tensors
            The shots at \\|n\\| - δ and \\|n\\| + δ, about a mean of zero.
        focal_offset_um : (B,) or (B, 1, Y, X) float tensor
            Offset; its sign doesn't matter.
        noise_to_signal : (B, C) float tensor

        Returns
        -------
        (B, C, Y, X) float tensor
        """
        shots = torch.stack([near, far], dim=1)
        if focal_offset_um.ndim == 1:
            return self._filtered(shots, between_nodes(self.kernels(noise_to_signal), focal_offset_um))
        place = (focal_offset_um.abs() / NODE_STEP_UM).clamp(max=NODES - 1)
        tops, lefts = (equal_parts(size, self.block_px) for size in near.shape[-2:])
        tall, wide = (fast_size(parts[0][1]) for parts in (tops, lefts))
        grown = self._continued(shots, tops[-1][0] + tall, lefts[-1][0] + wide)
        restored = torch.empty_like(near)
        for (top, bottom), (left, right) in product(tops, lefts):
            spectra = torch.fft.rfft2(grown[..., top : top + tall, left : left + wide])
            inner = ..., slice(top, bottom), slice(left, right)
            restored[inner] = self._at_places(spectra, place[inner], noise_to_signal, (tall, wide))
        return restored

    def _at_places(self, spectra: Tensor, place: Tensor, noise_to_signal: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, C, y, x) pixels of a block from its spectra, (B, 2, C, Y, X // 2 + 1), at places among the nodes,
        (B, 1, y, x)."""
        first, last = int(place.min().floor()), int(place.max().ceil())
        height, width = place.shape[-2:]
        inner = slice(RADIUS_PX, RADIUS_PX + height), slice(RADIUS_PX, RADIUS_PX + width)
        # filters are real: half the products of complex ones
        near, far = torch.view_as_real(spectra).unbind(1)
        restored = place.new_zeros(len(place), near.shape[1], height, width)
        for node in range(first, last + 1):
            weight = (1 - (place - node).abs()).clamp(min=0)
            to_near, to_far = self._node_filters(noise_to_signal, node, size).unbind(1)
            whole = torch.fft.irfft2(torch.view_as_complex(torch.addcmul(near * to_near, far, to_far)), s=size)
            restored = torch.addcmul(restored, weight, whole[(..., *inner)])
        return restored

    def _node_filters(self, noise_to_signal: Tensor, node: int, size: tuple[int, int]) -> Tensor:
        """(B, 2, C, Y, X // 2 + 1, 2) real spectra of one node's kernels, which are symmetric about pixel (0, 0).

        Each stands twice, for a spectrum's real and imaginary parts: products with one factor that is repeated take
        three times as long. Those of one image are kept, as its tiles ask for them again and again.
        """
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._made_filters(self.kernels(noise_to_signal)[:, node], size)
        image = (noise_to_signal.device, *noise_to_signal.flatten().tolist())
        if self._kept_of != image:
            self._kept_of, self._kept = image, {}
        made = self._kept.pop((node, size), None)
        if made is None:
            made = self._made_filters(self.kernels(noise_to_signal)[:, node], size)
            while self._kept and (len(self._kept) + 1) * made.nbytes > self.most_kept_bytes:
                del self._kept[next(iter(self._kept))]  # what was not asked for the longest
        self._kept[node, size] = made
        return made

    def _made_filters(self, responses: Tensor, size: tuple[int, int]) -> Tensor:
        kernels = self.cut_kernels(responses)
        whole = kernels.new_zeros(*kernels.shape[:-2], *size)
        whole[..., : kernels.shape[-2], : kernels.shape[-1]] = kernels
        spectra = torch.fft.rfft2(torch.roll(whole, (-RADIUS_PX, -RADIUS_PX), (-2, -1))).real
        return torch.stack([spectra, spectra], dim=-1)

    def _filtered(self, shots: Tensor, responses: Tensor) -> Tensor:
        """(B, C, Y, X) from shots, (B, 2, C, Y, X), and responses, (B, 2, C, F)."""
        height, width = shots.shape[-2:]
        size = fast_size(height), fast_size(width)
        spectra = self._transformed(shots)
        filters = torch.fft.rfft2(self.cut_kernels(responses), s=size)
        summed = torch.addcmul(spectra[:, 0] * filters[:, 0], spectra[:, 1], filters[:, 1])
        whole = torch.fft.irfft2(summed, s=size)
        return whole[..., 2 * RADIUS_PX : 2 * RADIUS_PX + height, 2 * RADIUS_PX : 2 * RADIUS_PX + width]

    def cut_kernels(self, responses: Tensor) -> Tensor:
        """(…, 2 RADIUS_PX + 1, 2 RADIUS_PX + 1) kernels, the middle in the middle, of radial responses, (…, F)."""
        grid = torch.lerp(responses[..., self.below], responses[..., self.below + 1], self.share)
        kernels = torch.fft.irfft2(grid, s=(GRID_PX, GRID_PX)) * self.taper
        return torch.roll(kernels, (RADIUS_PX, RADIUS_PX), (-2, -1))[..., : 2 * RADIUS_PX + 1, : 2 * RADIUS_PX + 1]

    def _transformed(self, shots: Tensor) -> Tensor:
        """Spectra of the shots, continued by reflection as far as the kernels reach."""
        return torch.fft.rfft2(self._continued(shots, *(fast_size(size) for size in shots.shape[-2:])))

    def _continued(self, shots: Tensor, tall: int, wide: int) -> Tensor:
        """(B, 2, C, tall, wide) of shots, (B, 2, C, Y, X): by reflection, `RADIUS_PX` of it before the first pixel."""
        height, width = shots.shape[-2:]
        margins = RADIUS_PX, wide - width - RADIUS_PX, RADIUS_PX, tall - height - RADIUS_PX
        if max(margins) < min(height, width):
            flat = functional.pad(shots.flatten(1, 2).contiguous(), margins, mode="reflect")
            return flat.unflatten(1, shots.shape[1:3])
        for axis, (size, grown) in ((-2, (height, tall)), (-1, (width, wide))):
            shots = shots.index_select(axis, reflected(size, -RADIUS_PX, grown - RADIUS_PX, shots.device))
        return shots

    def arithmetic(self, height: int, width: int, nodes: int = 1) -> int:
        """Multiply-accumulates of restoring a pair: transforms at 1.25 n log2 n, products of spectra at 4 real ones."""
        pixels = fast_size(height) * fast_size(width)
        grid = GRID_PX * GRID_PX
        transform, small = (math.ceil(1.25 * n * math.log2(n)) for n in (pixels, grid))
        of_kernels = 2 * (transform + small + grid) + 4 * pixels + 12 * NODES * FREQUENCIES
        return self.channels * (2 * transform + nodes * (of_kernels + transform))


def between_nodes(responses: Tensor, focal_offset_um: Tensor) -> Tensor:
    """(B, 2, C, F): each image's response at its own offset, (B,), from those at all nodes."""
    place = (focal_offset_um.abs() / NODE_STEP_UM).clamp(max=NODES - 1)
    below = place.floor().clamp(max=NODES - 2).long()
    share = (place - below).reshape(-1, 1, 1, 1)
    each = torch.arange(place.shape[0], device=place.device)
    return torch.lerp(responses[each, below], responses[each, below + 1], share)


def fast_size(size: int) -> int:
    """Size that images are continued to: as far as the kernels reach, and to the next that transforms quickly."""
    return int(scipy.fft.next_fast_len(size + 2 * RADIUS_PX, real=True))


def _taper() -> Tensor:
    """(GRID_PX, GRID_PX) window about pixel (0, 0): one, and a cosine to zero at RADIUS_PX."""
    place = torch.fft.fftfreq(GRID_PX, device="cpu") * GRID_PX  # see `bands`: not on the meta device
    radius = torch.hypot(place[:, None], place[None, :])
    share = ((RADIUS_PX + 1 - radius) / TAPER_PX).clamp(0, 1)
    return (1 - torch.cos(math.pi * share)) / 2


@lru_cache(maxsize=4)
def _tables(optics: OpticsSettings, delta_um: float, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Σ w H_i H_j of near and far shot, of both, with the target, and what C A⁻¹ has without noise, determinant and
    numerators (differences too small for single precision): (8, node, C, F); radii of the kernels' grid."""
    frequency = np.linspace(0, math.sqrt(0.5), FREQUENCIES)
    # independent layers of one spread: the network knows the optics, not the sections that its user's slides have
    layers = Layers.gaussian(DEPTH_SD_UM, LAYERS, LAYERS_REACH)
    focal_offset_um = np.arange(NODES) * NODE_STEP_UM
    table = OtfTable(optics, focal_offset_um[-1] + delta_um + layers.depth_um[-1])
    colours = range(3) if channels == 3 else (1,)

    def transfer(z_um: np.ndarray) -> np.ndarray:
        """(…, C, F), the pixel's own along an axis in it."""
        found = []
        for colour in colours:
            place = share_to_knots(frequency / optics.pixel_um / table.cutoffs[colour])
            values = (
                CubicSpline(table.knots(), table.at_knots(colour, z_um.ravel()))(place) * np.sinc(frequency)[:, None]
            )
            found.append(values.T.reshape(*z_um.shape, FREQUENCIES))
        return np.stack(found, axis=-2)

    found = layered_powers(transfer, layers, np.stack([focal_offset_um - delta_um, focal_offset_um + delta_um]))
    nn, ff, nf = found.shots[0, 0], found.shots[1, 1], found.shots[0, 1]
    tn, tf = found.target
    tables = [nn, ff, nf, tn, tf, np.maximum(nn * ff - nf**2, 0), tn * ff - tf * nf, tf * nn - tn * nf]
    fy, fx = np.fft.fftfreq(GRID_PX), np.fft.rfftfreq(GRID_PX)
    return np.stack(tables), np.hypot(fy[:, None], fx[None, :])
