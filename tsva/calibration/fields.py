"""A z-stack made ready for measuring: judged for focus, at one brightness, its planes laid on one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.acquisition.brightness import gains
from tsva.acquisition.focus import focus_field
from tsva.acquisition.registration import LEAST_MOVED_PX, all_aligned
from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.settings.focus import FocusSettings

LEAST_PLANES = 7
"""The in-focus plane and three on either side: noise is read from five neighbours."""
LEAST_EDGE_PX = 64
MOST_SPREAD = 0.01
"""Brightness between planes that is worth a warning; as of section ingest."""
PATCH_PX = 128


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
    shift_px : (Z,) float array
        Distance of each plane from the in-focus one; NaN where unknown.
    scale : (Z,) float array
        Magnification over that of the in-focus plane, as a straight line over z; NaN where unknown.
    moved : bool
        Whether planes were interpolated.
    remarks : tuple of str
        What a user should know.
    """

    name: str
    planes: np.ndarray
    captured: np.ndarray
    z_um: np.ndarray
    pixel_um: float
    focus_z_um: float
    brightness: np.ndarray
    shift_px: np.ndarray
    scale: np.ndarray
    moved: bool
    remarks: tuple[str, ...]

    @property
    def z_step_um(self) -> float:
        """Mean distance between planes."""
        return float(np.diff(self.z_um).mean())


def prepare(stack: Stack, name: str) -> Field:
    """Judge a stack, and bring its planes to one brightness and one place.

    Parameters
    ----------
    stack : Stack
    name : str
        For messages.

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
    trend = planes["scale_trend"].to_numpy(float)
    known = np.isfinite(shift).all(axis=1)
    where, scale = np.where(known[:, None], shift, 0), np.where(np.isfinite(trend), trend, 1.0)
    reach = np.abs(scale - 1) * max(height, width) / 2 + np.hypot(*where.T)
    moved = bool(reach.max() > LEAST_MOVED_PX)
    images = all_aligned(stack.planes, scale, where) if moved else stack.planes
    levelled = images.astype(np.float32) / 255 * gains(means).astype(np.float32)[:, None, None, :]
    return Field(
        name,
        levelled,
        stack.planes,
        stack.z_um - stack.z_um[focus],
        stack.pixel_um,
        float(stack.z_um[focus]),
        means,
        np.hypot(*shift.T),
        trend,
        moved,
        tuple(_remarks(str(row["verdict"]), str(row["reason"]), means, reach, known)),
    )


def _remarks(verdict: str, reason: str, means: np.ndarray, reach_px: np.ndarray, known: np.ndarray) -> list[str]:
    """What to tell of a field that can be used."""
    found = []
    if verdict != "ok":
        found.append(f"the focus is not clear: {reason}")
    middle = np.median(means, axis=0)
    spread = float((np.ptp(means, axis=0) / np.maximum(middle, 1e-9)).max())
    if spread > MOST_SPREAD:
        found.append(f"brightness differs by {spread:.1%} between planes; planes were brought to the median")
    if reach_px.max() > LEAST_MOVED_PX:
        found.append(
            f"planes lie up to {reach_px.max():.1f} pixels from the in-focus plane (shift or change of magnification);"
            " they were moved onto it, which costs some sharpness at high frequencies"
        )
    if not known.all():
        found.append(f"{int((~known).sum())} planes could not be aligned and were left where they are")
    return found
