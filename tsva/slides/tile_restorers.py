"""Networks on tiles of a slide, with what its survey says of the whole slide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from tsva.restoration.networks.parts import reflected_to_multiple
from tsva.restoration.pair_network import PairNetwork, SharperShotNetwork
from tsva.restoration.runtime import Runtime, runtime_of
from tsva.slides.grid import Box, filled, per_pixel, smoothed, whole_cells
from tsva.slides.survey import Survey
from tsva.slides.two_planes import TwoPlanes

UNDECIDED = math.log(1.2)
"""Where the sharpness of the shots differs by less than this ratio, both orders are computed and blended."""
SMOOTHED_CELLS = 1.0
"""Standard deviation of the smoothing of Y1's choice and of the offset over cells."""
WINDOW_PX, MOST_WINDOWS = 224, 64
"""What a slide has one value of is read from so many windows of tissue, of the size that networks are trained on."""
LEAST_SD_UM = 0.05
"""Of an offset, where it weighs the smoothing."""
CORE_PX = 1024
"""Of networks that are given the offset. What lies around a core, and is restored for it alone, is 1.4 times as much
at 512 pixels."""
Constants = Mapping[str, Any]


class TileRestorer(Protocol):
    """A network ready for tiles of one slide.

    Attributes
    ----------
    runtime : str
        What runs it.
    core_px : int
        Edge of the tiles' cores that it is fastest with.
    halo_px, multiple : int
        As of `PairNetwork`.
    """

    runtime: str
    core_px: int
    halo_px: int
    multiple: int

    def __call__(self, low: np.ndarray, high: np.ndarray, y: int, x: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Restore a region of the slide.

        Parameters
        ----------
        low, high : (Y, X, C) uint8 arrays
            On one another; the region begins at a multiple of `multiple`, and ends at one or at the slide's edge.
        y, x : int
            Its upper left corner.

        Returns
        -------
        restored : (Y, X, C) float32 array
            In [0, 1]; within `halo_px` of an edge that is none of the slide's it is not to be used.
        expected_error : (Y, X) float32 array or None
        """
        ...


class SharperRestorer:
    """A network that needs Y1, which changes smoothly over the slide.

    Where one shot is clearly the sharper it is Y1. Where neither is, the results of both orders are blended by the
    logarithm of the ratio of their sharpness.
    """

    def __init__(self, network: SharperShotNetwork, runtime: Runtime, survey: Survey) -> None:
        self._run = runtime
        self.runtime, self.core_px = runtime.name, runtime.core_px
        self.halo_px, self.multiple = network.halo_px, network.multiple
        self._high_is_y1 = weight_of_high(survey)

    def __call__(self, low: np.ndarray, high: np.ndarray, y: int, x: int) -> tuple[np.ndarray, np.ndarray | None]:
        weight = per_pixel(self._high_is_y1, y, x, *low.shape[:2])
        if weight.max() == 0:
            return self._restored(low, high)
        if weight.min() == 1:
            return self._restored(high, low)
        by_low, of_low = self._where(weight < 1, low, high)
        by_high, of_high = self._where(weight > 0, high, low)
        image = by_low + weight[..., None] * (by_high - by_low)
        if of_low is None or of_high is None:
            return image, None
        # the square of a mean is at most the mean of the squares
        return image, np.sqrt(of_low**2 + weight * (of_high**2 - of_low**2))

    def _where(self, wanted: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Restored where any pixel, (Y, X) bool, is wanted: 0 beyond the box about these."""
        halo, multiple = whole_cells(self.halo_px, self.multiple), self.multiple
        found = [np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0)]
        box = Box(*(int(n[0]) for n in found), *(int(n[-1] - n[0]) + 1 for n in found))
        grown = box.grown(halo, first.shape[:2])
        top, left = grown.y - grown.y % multiple, grown.x - grown.x % multiple
        bottom, right = (
            min(start + whole_cells(stop - start, multiple), size)
            for start, stop, size in (
                (top, grown.y + grown.height, first.shape[0]),
                (left, grown.x + grown.width, first.shape[1]),
            )
        )
        seen = slice(top, bottom), slice(left, right)
        part, of_part = self._restored(first[seen], second[seen])
        image = np.zeros((first.shape[2], *first.shape[:2]), np.float32).transpose(1, 2, 0)
        image[seen] = part
        if of_part is None:
            return image, None
        error = np.zeros(wanted.shape, np.float32)
        error[seen] = of_part
        return image, error

    def _restored(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        images, errors = self._run(*(_batch(shot, self.multiple) for shot in (first, second)))
        height, width = first.shape[:2]
        image = np.clip(images[0].transpose(1, 2, 0)[:height, :width], 0, 1)
        return image, None if errors is None else errors[0, 0, :height, :width]


def weight_of_high(survey: Survey) -> np.ndarray:
    """(R, K) float32 in [0, 1]: how far the high shot is Y1; exactly 0 and 1 where that is decided."""
    ratio = filled(survey.sharpness_log_ratio(), ~survey.glass, 0.0)
    place = (smoothed(ratio, np.ones_like(ratio), SMOOTHED_CELLS) / UNDECIDED + 1) / 2
    share = np.clip(place, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def _batch(shot: np.ndarray, multiple: int) -> np.ndarray:
    """(Y, X, C) uint8 -> (1, C, Y', X') float32 in [0, 1], grown by reflection to whole cells."""
    grown = reflected_to_multiple(_tensor(shot), multiple)
    return np.ascontiguousarray(grown.numpy())


def _tensor(shot: np.ndarray) -> Tensor:
    # a copy: what a reader hands out may not be written to, which torch warns of
    return torch.from_numpy(shot.astype(np.float32)).permute(2, 0, 1)[None].div_(255)


class OffsetRestorer:
    """A network that needs the focal offset: with the survey's map of it, and what the slide has one value of."""

    def __init__(self, network: PairNetwork[Any], survey: Survey, constants: Constants) -> None:
        self._network, self._device = network, next(network.parameters()).device
        self.runtime = f"torch {torch.__version__} on {self._device.type}"
        self.core_px = CORE_PX
        # a pixel's offset is averaged over cells of the network
        self.halo_px, self.multiple = network.halo_px, network.multiple
        self._offset_um, self._sd_um = offset_maps(survey)
        self._constants = {
            name: torch.tensor([constants[name]], device=self._device) for name in network.one_for_a_slide
        }

    @torch.inference_mode()
    def __call__(self, low: np.ndarray, high: np.ndarray, y: int, x: int) -> tuple[np.ndarray, np.ndarray | None]:
        shape = low.shape[:2]
        offset_um, sd_um = (
            torch.from_numpy(per_pixel(cells, y, x, *shape)).to(self._device)[None, None]
            for cells in (self._offset_um, self._sd_um)
        )
        decision = self._network.decide_at(offset_um, sd_um, self._constants)
        restored, sd = self._network.with_error(_tensor(low).to(self._device), _tensor(high).to(self._device), decision)
        image = restored[0].clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
        return np.asarray(image), None if sd is None else np.asarray(sd[0, 0].cpu().numpy())


def offset_maps(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    """(R, K) float32 each: focal offset and its standard deviation in µm, without gaps, smoothed by the evidence."""
    known = np.isfinite(survey.focal_offset_um) & ~survey.glass
    offset_um = filled(survey.focal_offset_um, known, 0.0)
    sd_um = filled(survey.focal_offset_sd_um, known, 1.0)
    weights = np.where(known, 1 / np.maximum(sd_um, LEAST_SD_UM) ** 2, 1e-3)
    return smoothed(offset_um, weights, SMOOTHED_CELLS), sd_um


def constants_of(network: PairNetwork[Any], planes: TwoPlanes, survey: Survey) -> dict[str, list[float]]:
    """What a network has to know of the whole slide beside the survey's maps; nothing for most.

    Values are geometric means (of the mean level: means) over windows of tissue that are spread evenly.
    """
    if not network.one_for_a_slide:
        return {}
    device = next(network.parameters()).device
    found: dict[str, list[Tensor]] = {name: [] for name in network.one_for_a_slide}
    for y, x, height, width in _windows(survey):
        low, high = (_tensor(shot).to(device) for shot in planes.read(y, x, height, width))
        with torch.inference_mode():
            decided = network.decide(low, high)
        for name, values in found.items():
            values.append(getattr(decided, name)[0].double())
    means = {name: torch.stack(values) for name, values in found.items()}
    return {
        name: (values.mean(0) if name == "mean" else values.log().mean(0).exp()).tolist()
        for name, values in means.items()
    }


def _windows(survey: Survey) -> list[tuple[int, int, int, int]]:
    """Windows about tissue cells, the same ones whatever the tiles; about any cells where there is no tissue."""
    tissue = np.argwhere(~survey.glass)
    cells = tissue if len(tissue) else np.argwhere(np.ones_like(survey.glass))
    chosen = cells[np.unique(np.linspace(0, len(cells) - 1, min(MOST_WINDOWS, len(cells))).round().astype(int))]
    height, width = min(WINDOW_PX, survey.height), min(WINDOW_PX, survey.width)
    return [
        (
            int(np.clip(slice_y.start + slice_y.stop - height, 0, 2 * (survey.height - height)) // 2),
            int(np.clip(slice_x.start + slice_x.stop - width, 0, 2 * (survey.width - width)) // 2),
            height,
            width,
        )
        for slice_y, slice_x in (survey.grid.pixels(int(row), int(column)) for row, column in chosen)
    ]


def restorer_of(
    network: PairNetwork[Any], channels: int, survey: Survey, constants: Constants, threads: int
) -> TileRestorer:
    """A network on tiles of a surveyed slide, by the fastest runtime there is.

    Parameters
    ----------
    network : PairNetwork
        In evaluation mode, on the device that is to run it.
    channels : int
    survey : Survey
    constants : dict
        Of `constants_of`.
    threads : int
        Of the CPU.
    """
    if network.one_for_a_slide:
        return OffsetRestorer(network, survey, constants)
    if isinstance(network, SharperShotNetwork):
        return SharperRestorer(network, runtime_of(network, channels, threads), survey)
    raise TypeError(f"{type(network).__name__} has no way of being given what it needs of a whole slide")
