"""A z-stack made ready for measuring: judged for focus, at one brightness, its planes laid on one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.acquisition.brightness import gains
from tsva.acquisition.focus import focus_field
from tsva.acquisition.registration import all_aligned
from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.settings.ingest import FocusSettings

LEAST_PLANES = 7
"""The in-focus plane and three on either side: noise is read from five neighbours."""
LEAST_EDGE_PX = 64
MOST_SPREAD = 0.01
"""Brightness between planes that is worth a warning; as of section ingest."""
PATCH_PX = 128
LEAST_TREND_PX = 1.0
"""Way that a plane at the end of `NEAR_FIELDS` lies from the in-focus one, by the trend over z, from which planes are
moved. Single planes far from focus are found up to two pixels off where nothing moves."""
NEAR_FIELDS = 3.0
"""Depths of field up to which planes' places are looked at."""


@dataclass(frozen=True)
class Field:
    """One field, ready to be measured.

    Attributes
    ----------
    name : str
    planes : (Z, Y, X, C) float32 array
        In [0, 1], all at the brightness of the median plane, moved and scaled onto the in-focus plane where they lie
        elsewhere.
    captured : (Z, Y, X, C) uint8 array
        As they were.
    z_um : (Z,) float array
        From the in-focus plane.
    pixel_um : float
    focus_z_um : float
        Position of the in-focus plane on the stage's scale.
    brightness : (Z, C) float array
        Mean grey level of each channel as captured.
    shift_px : (Z, 2) float array
        What each plane was found shifted by against the in-focus one, y and x; NaN where unknown.
    drift_px : float
        How far planes lie from the in-focus one at the field's edge, `NEAR_FIELDS` depths of field from it, by straight
        lines over z for shift and magnification; 0 where unknown.
    scale_percent : float
        Change of magnification from plane to plane.
    moved : bool
        Whether planes were interpolated.
    doubt : str
        Why the focus is not clear; empty if it is.
    """

    name: str
    planes: np.ndarray
    captured: np.ndarray
    z_um: np.ndarray
    pixel_um: float
    focus_z_um: float
    brightness: np.ndarray
    shift_px: np.ndarray
    drift_px: float
    scale_percent: float
    moved: bool
    doubt: str = ""

    @property
    def z_step_um(self) -> float:
        """Mean distance between planes."""
        return float(np.diff(self.z_um).mean())


def prepare(stack: Stack, name: str, depth_of_field_um: float) -> Field:
    """Judge a stack, and bring its planes to one brightness and one place.

    Parameters
    ----------
    stack : Stack
    name : str
        For messages.
    depth_of_field_um : float
        By the nominal optics.

    Raises
    ------
    UserError
        If there are too few planes, no tissue, or no plane in focus.
    """
    count, height, width = stack.planes.shape[:3]
    if count < LEAST_PLANES:
        raise UserError(
            name,
            got=f"{count} plane{'s' * (count != 1)}",
            wanted=f"a full z-stack of at least {LEAST_PLANES} planes about the focus",
            do="Take a z-stack of one field with tissue.",
        )
    if stack.z_step_um is None:
        raise UserError(
            name, got="planes that are not evenly spaced", wanted="equal distances", do="Take the stack in equal steps."
        )
    if min(height, width) < LEAST_EDGE_PX:
        raise UserError(
            name,
            got=f"{height}×{width} pixels",
            wanted=f"at least {LEAST_EDGE_PX} pixels both ways",
            do="Give whole fields.",
        )
    patch_px = min(PATCH_PX, height, width)
    planes, row, _ = focus_field(name, stack, patch_px, None, FocusSettings())
    if row["verdict"] in ("blank", "edge"):
        raise UserError(
            name,
            got=f"no plane in focus: {row['reason']}",
            wanted="tissue that is in focus within the stack",
            do="Choose a field with tissue, or take the stack farther up and down.",
        )
    focus = int(str(row["focus_plane"]))
    means = stack.planes.mean(axis=(1, 2), dtype=np.float64)
    shift = planes[["shift_y_px", "shift_x_px"]].to_numpy(float)
    z_um = stack.z_um - stack.z_um[focus]
    near_um = min(NEAR_FIELDS * depth_of_field_um, float(np.abs(z_um).max()))
    slope = _slopes(shift[np.abs(z_um) <= near_um], z_um[np.abs(z_um) <= near_um])
    growth = float(_slopes(planes[["scale_trend"]].to_numpy(float) - 1, z_um)[0])
    drift_px = near_um * float(np.hypot(*slope) + abs(growth) * max(height, width) / 2)
    moved = drift_px > LEAST_TREND_PX
    images = all_aligned(stack.planes, 1 + growth * z_um, np.outer(z_um, slope)) if moved else stack.planes
    levelled = images.astype(np.float32) / 255 * gains(means).astype(np.float32)[:, None, None, :]
    return Field(
        name,
        levelled,
        stack.planes,
        z_um,
        stack.pixel_um,
        float(stack.z_um[focus]),
        means,
        shift,
        drift_px,
        100 * growth * stack.z_step_um,
        moved,
        "" if row["verdict"] == "ok" else str(row["reason"]),
    )


def _slopes(values: np.ndarray, z_um: np.ndarray) -> np.ndarray:
    """Of each column over z, through 0 at 0: the median of the planes' own; 0 where fewer than three are known."""
    known = np.isfinite(values).all(axis=1) & (z_um != 0)
    if known.sum() < 3:
        return np.zeros(values.shape[1])
    return np.asarray(np.median(values[known] / z_um[known, None], axis=0))


def spread_of(field: Field) -> float:
    """Widest range of a channel's mean brightness between planes, as a share of its median."""
    middle = np.median(field.brightness, axis=0)
    return float((np.ptp(field.brightness, axis=0) / np.maximum(middle, 1e-9)).max())
