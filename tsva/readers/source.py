"""A field as the user's files hold it, before it is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tsva.acquisition.resample import SAME_PIXEL
from tsva.errors import UserError
from tsva.readers.stored import UNKNOWN, Objective

log = logging.getLogger(__name__)


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
    region: Callable[[int, int, int, int, int], np.ndarray] | None = None


def choose_pixel_um(where: str, of_sheet: float | None, of_file: float | None) -> float:
    """Pixel size by the sheet, else by the file; a warning is logged where they contradict each other.

    Raises
    ------
    UserError
        If neither knows it.
    """
    if of_sheet is not None:
        if of_file is not None and abs(of_file / of_sheet - 1) > SAME_PIXEL:
            log.warning("%s: the sheet's pixel_um %.4g is taken, not the file's %.4g", where, of_sheet, of_file)
        return of_sheet
    if of_file is not None:
        return of_file
    raise UserError(
        where,
        got="no pixel size in the file",
        wanted="the size of a pixel in the specimen, in micrometres",
        do="Write it into the slide sheet's column pixel_um.",
    )
