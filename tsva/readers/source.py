"""A field as the user's files hold it, before it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tsva.readers.stored import UNKNOWN, Objective


@dataclass(frozen=True)
class FieldSource:
    """Where a field's planes are and how to read them, one by one.

    Attributes
    ----------
    name : str
        Of the field.
    where : str
        The file or folder, for messages.
    z_um : tuple of float
        Stage position of each plane, none lower than the one before.
    plane_names : tuple of str
        What to call each plane in messages.
    pixel_um : float
        Size of a pixel in the specimen.
    planes : callable
        Gives an iterator over the planes in the order of `z_um`: (Y, X, C) uint8 arrays, C 1 or 3.
    mosaic_px : int or None
        Where a field is made of square patches side by side that do not continue each other: their edge.
    objective : Objective
        Numerical aperture and magnification, where the file knows them.
    channels : tuple of str
        Names of the channels, where known before reading.
    pixel_source : str
        Who says the pixel size.
    z_source : str
        Who says the positions.
    z_absolute : bool
        Whether these are positions of the stage that all fields share, and not counted from each field's first plane.
    bits : int or None
        Of 16-bit pixels: how many the camera fills.
    notes : tuple of str
        What was turned or guessed.
    region : callable or None
        ``region(plane, top, left, height, width)`` reads a part of one plane, whose number counts along `z_um`, without
        decoding the rest of it. None where files can only be read whole.
    """

    name: str
    where: str
    z_um: tuple[float, ...]
    plane_names: tuple[str, ...]
    pixel_um: float
    planes: Callable[[], Iterator[np.ndarray]]
    mosaic_px: int | None = None
    objective: Objective = UNKNOWN
    channels: tuple[str, ...] = ()
    pixel_source: str = ""
    z_source: str = ""
    z_absolute: bool = True
    bits: int | None = None
    notes: tuple[str, ...] = ()
    region: Callable[[int, int, int, int, int], np.ndarray] | None = None
