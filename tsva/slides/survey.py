"""What is measured of a slide before anything is restored, on the grid of cells."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings
from tsva.slides.grid import CellGrid

FORMAT = 3

LARGEST_DELTA_ERROR = 0.12
"""Relative difference of the planes' distance, as their spectra show it, from the stated one, that is let pass where
its standard deviation is small. Optics that blur by so much more or less than the nominal ones look the same."""


@dataclass(frozen=True)
class Survey:
    """A slide's two planes, measured. R and K are the rows and columns of `grid`, C the channels (1 or 3).

    Attributes
    ----------
    height, width : int
        Of the slide in pixels.
    pixel_um, delta_um : float
        Pixel size; half of the stated distance of the planes.
    optics : OpticsSettings
        Nominal optics that the offsets were measured with, at the slide's pixel size.
    glass : (R, K) bool array
        Cells without tissue.
    level : (R, K, C) float32 array
        Mean level of the low shot, in [0, 1].
    sharpness_low, sharpness_high : (R, K) float32 arrays
        Brenner gradient over the squared mean level, without the noise's part.
    focal_offset_um, focal_offset_sd_um : (R, K) float32 arrays
        Focal offset n and its standard deviation, on a smooth surface: a cell without evidence has its neighbourhood's.
        Positive n: the low shot is the one nearer to focus.
    offset_known : (R, K) bool array
        Tissue cells whose offset the evidence decides.
    copy_rmse : (R, K) float32 array
        Expected root mean square error of the nearer shot against the noise-free in-focus image, of images in [0, 1];
        NaN on glass.
    linear_rmse : (R, K) float32 array
        The same of the best linear restoration of both shots, for the cell's own spectrum.
    shift_px : (R, K, 2) float32 array
        What lies at p in the low shot lies at p + shift in the high one (y, x), at the cell's middle; scale included.
        0 where the shift could not be measured.
    misregistered : (R, K) bool array
        Tissue cells whose shift could not be measured, or lies across a jump of the shift.
    noise : (C, 2) float64 array
        Variance of a shot's noise at level v, images in [0, 1]: noise[c, 0] + noise[c, 1] * v.
    white, black : (C,) float64 arrays
        Level of empty glass (of the brightest cells where there is none), and of the darkest cell.
    brightness : (C,) float64 array
        Level of the high shot over that of the low shot.
    scale : float
        Magnification of the high shot over that of the low shot.
    thickness_um, spherical_um : float
        Thickness of the section and spherical aberration that the slide's cells are most like.
    delta_scale : float
        Distance of the planes that their spectra suggest, over the stated one; NaN where the evidence is too weak.
    delta_scale_sd : float
        Its standard deviation.
    """

    height: int
    width: int
    pixel_um: float
    delta_um: float
    optics: OpticsSettings
    glass: np.ndarray
    level: np.ndarray
    sharpness_low: np.ndarray
    sharpness_high: np.ndarray
    focal_offset_um: np.ndarray
    focal_offset_sd_um: np.ndarray
    offset_known: np.ndarray
    copy_rmse: np.ndarray
    linear_rmse: np.ndarray
    shift_px: np.ndarray
    misregistered: np.ndarray
    noise: np.ndarray
    white: np.ndarray
    black: np.ndarray
    brightness: np.ndarray
    scale: float
    thickness_um: float
    spherical_um: float
    delta_scale: float
    delta_scale_sd: float

    @property
    def distance_seems_wrong(self) -> bool:
        """Whether the planes seem to be farther apart, or nearer, than stated; without evidence they don't."""
        allowed = np.hypot(LARGEST_DELTA_ERROR, self.delta_scale_sd)
        return bool(abs(self.delta_scale - 1) > allowed)

    @property
    def grid(self) -> CellGrid:
        """The slide's cells."""
        return CellGrid(self.height, self.width)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.level.shape[2])

    def high_is_nearer(self) -> np.ndarray:
        """(R, K) bool: whether the high shot is the one to copy; by sharpness where the offset is not known."""
        return np.where(self.offset_known, self.focal_offset_um < 0, self.sharpness_high > self.sharpness_low)

    def sharpness_log_ratio(self) -> np.ndarray:
        """(R, K) float32: natural logarithm of the high shot's sharpness over the low shot's; 0 without evidence."""
        low, high = self.sharpness_low, self.sharpness_high
        known = (low > 0) & (high > 0)
        ratio = np.divide(high, low, out=np.ones_like(high), where=known)
        return np.asarray(np.log(ratio), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write a `.npz`, whole or not at all."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in values.items() if name not in arrays and name != "optics"}
        head = json.dumps({"format": FORMAT, **plain, "optics": self.optics.model_dump(mode="json")})
        with fresh_file(path) as part:
            np.savez_compressed(part, head=np.array(head), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Survey:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            If the file is missing, damaged or of another format.
        """
        try:
            with path.open("rb") as file, np.load(file) as held:
                arrays = {name: held[name] for name in held.files}
            head = json.loads(str(arrays.pop("head")))
            if head.pop("format") != FORMAT:
                raise ValueError("another format")
            optics = OpticsSettings.model_validate(head.pop("optics"))
            return cls(**head, optics=optics, **arrays)
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                str(path),
                got=" ".join(str(error).split()),
                wanted=f"a survey of format {FORMAT}",
                do="Delete it, so that the slide is surveyed again.",
            ) from None
