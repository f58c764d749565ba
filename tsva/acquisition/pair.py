"""Two shots of one field of view, which every network and baseline takes, and which of them is the sharper one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tsva.acquisition.sharpness import LAG_PX, brenner, is_sharper
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings, PairsSettings

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pair:
    """The two shots of a tile, in order of z; the method itself picks the sharper one as Y1.

    Attributes
    ----------
    low, high : (Y, X, C) uint8 arrays
        Shots at F - delta_um and F + delta_um.
    delta_um : float
        Half the distance between the shots.
    optics : OpticsSettings
        The nominal optics.
    focal_offset_um : float or None
        Offset of F from the true focus where it is known (oracle methods and scores alone may look).
    focal_offset_within_um : float
        How well it is known: focal_offset_um is off by so much at most. Half a step where the sharpness of planes
        states it.
    target_means : (C,) float array or None
        Mean grey level of each channel of the ground truth, where there is one: for the row that says how much of a
        gain is brightness (`y1_matched`), and for nothing else.
    noise_free : tuple of two (Y, X, C) uint8 arrays or None
        Low and high shot without noise, of simulated slides: for the row that says what denoising could be worth
        (`noise_free`), and for nothing else.
    """

    low: np.ndarray
    high: np.ndarray
    delta_um: float
    optics: OpticsSettings
    focal_offset_um: float | None = None
    focal_offset_within_um: float = 0.0
    target_means: np.ndarray | None = None
    noise_free: tuple[np.ndarray, np.ndarray] | None = None


def grid_pairs(
    stack: np.ndarray, settings: PairsSettings, optics: OpticsSettings, target_offset_um: float = 0.0
) -> list[Pair]:
    """A test patch at every offset of the grid.

    Parameters
    ----------
    stack : (Z, Y, X, C) uint8 array
        Every plane that offsets can reach, the target in the middle.
    settings : PairsSettings
    optics : OpticsSettings
    target_offset_um : float
        How far above the patch's true focus the target lies.

    Returns
    -------
    list of Pair
        In the order of ``settings.offsets_um``, each offset counted from the true focus.

    Raises
    ------
    ValueError
        If the stack has other planes.
    """
    if len(stack) != 2 * settings.reach_planes + 1:
        raise ValueError(f"{len(stack)} planes; offsets reach {2 * settings.reach_planes + 1}")
    pairs = []
    means = stack[settings.reach_planes].mean(axis=(0, 1))
    for focal_offset_um in settings.offsets_um:
        middle = settings.reach_planes + round(focal_offset_um / settings.z_step_um)
        low, high = stack[middle - settings.delta_planes], stack[middle + settings.delta_planes]
        given_um = focal_offset_um + target_offset_um
        pairs.append(Pair(low, high, settings.delta_um, optics, given_um, settings.z_step_um / 2, means))
    return pairs


def shots_about(
    z_um: np.ndarray, focal_position_um: float, delta_um: float, *, tolerance_um: float, where: str
) -> tuple[int, int]:
    """Which planes are the two shots.

    Two planes are the shots themselves; of more, those nearest F - delta_um and F + delta_um.

    Parameters
    ----------
    z_um : (Z,) float array
        Positions of the planes, rising.
    focal_position_um : float
        F, on the same scale.
    delta_um : float
        Half the distance between the shots.
    tolerance_um : float
        How far a plane may lie from where it should.
    where : str
        Slide and field, for messages.

    Returns
    -------
    low, high : int

    Raises
    ------
    UserError
        If there are fewer than two planes, or none close enough to where a shot should be.
    """
    if len(z_um) < 2:
        raise UserError(where, got="one plane", wanted="two shots or a z-stack", do="Give both shots as planes.")
    if len(z_um) == 2:
        apart = float(z_um[1] - z_um[0])
        if abs(apart - 2 * delta_um) > 2 * tolerance_um:
            raise UserError(
                where,
                got=f"two planes {apart:g} µm apart",
                wanted=f"{2 * delta_um:g} µm (twice acquisition.delta_um)",
                do="Take the shots at that distance, or use a network that was trained for yours.",
            )
        return 0, 1
    low, high = (int(np.argmin(np.abs(z_um - z))) for z in (focal_position_um - delta_um, focal_position_um + delta_um))
    for plane, wanted in ((low, focal_position_um - delta_um), (high, focal_position_um + delta_um)):
        if abs(z_um[plane] - wanted) > tolerance_um:
            raise UserError(
                where,
                got=f"the nearest plane to {wanted:g} µm at {z_um[plane]:g} µm",
                wanted=f"one within {tolerance_um:g} µm",
                do="Give this slide's F (setting refocus.initial_focal_position_um).",
            )
    return low, high


FULL_SCALE = 255.0
"""Grey level of white."""


def floats(image: np.ndarray) -> np.ndarray:
    """(Y, X, C) uint8 to float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(FULL_SCALE)


def high_is_y1(pair: Pair) -> bool:
    """Whether the upper shot is the sharper one by Brenner; a tie goes to the lower."""
    low, high = brenner(np.stack([pair.low, pair.high]))
    return bool(is_sharper(high, low))


def y1_of(pair: Pair) -> np.ndarray:
    """(Y, X, C) float32: the sharper shot."""
    return floats(pair.high if high_is_y1(pair) else pair.low)


def brenner_of(images: Tensor) -> Tensor:
    """Brenner gradient of tensors: `tsva.acquisition.sharpness.brenner` as a graph that can be exported.

    Parameters
    ----------
    images : (B, C, Y, X) tensor
        At least three columns for a gradient above zero.

    Returns
    -------
    (B,) float64 tensor
    """
    if images.shape[-1] <= LAG_PX:
        return images.new_zeros(len(images)).double()
    return squared_gradients(images)[..., :-LAG_PX].mean(dim=(1, 2, 3))


def squared_gradients(images: Tensor) -> Tensor:
    """(B, 1, Y, X) float64 tensor of (B, C, Y, X) images, 0 in the last LAG_PX columns; Brenner's gradient is the mean
    of the others."""
    from torch.nn.functional import pad

    grey = images.double().mean(dim=1, keepdim=True)
    return pad((grey[..., LAG_PX:] - grey[..., :-LAG_PX]).square(), (0, LAG_PX))


def high_is_sharper(low: Tensor, high: Tensor) -> Tensor:
    """(B,) bool tensor: whether the second of two (B, C, Y, X) shots is the sharper; a tie goes to the first."""
    return is_sharper(brenner_of(high), brenner_of(low))


def sharper_first(low: Tensor, high: Tensor, swap: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The shots as (Y1, Y2).

    Parameters
    ----------
    low, high : (B, C, Y, X) tensors
    swap : (B,) bool tensor, optional
        Where `high` is Y1; by default `high_is_sharper` of these very images. A tile is given that of its whole image.

    Returns
    -------
    (B, C, Y, X) tensors
    """
    import torch

    where = (high_is_sharper(low, high) if swap is None else swap).reshape(-1, 1, 1, 1)
    return torch.where(where, high, low), torch.where(where, low, high)
