"""An image as a file holds it, before any pixel is read: the one face of all formats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

MOST_FOCAL_PLANES = 10_000
"""A header may tell of any number, where what is not stored counts as black."""
MOST_PIECES = 2**17
"""Tiles or chunks that a region may touch; the largest image read at once has as many of 32×32 pixels."""


@dataclass(frozen=True)
class Objective:
    """What a file says of its objective; None where it says nothing."""

    na: float | None = None
    magnification: float | None = None


UNKNOWN = Objective()


class PlaneReader(Protocol):
    """An open image, read by plane and region."""

    def read(self, plane: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels of a plane (counted as stored); the region lies within it."""
        ...


@dataclass(frozen=True)
class StoredImage:
    """A flat image or a z-stack in a file.

    Attributes
    ----------
    name : str
        For the field; not yet fit for a file's name.
    where : str
        The file or folder, for messages.
    format : str
        E.g. ``OME-TIFF``, ``NDPI``, ``DICOM``, ``OME-Zarr 0.5``.
    planes : int
        Focal planes; 1 for a flat image.
    height_px, width_px : int
        Of every plane.
    channels : tuple of str
        Their names: ``("grey",)``, ``("red", "green", "blue")``, or the file's own.
    depth : int
        Bits per channel as stored: 8 or 16; others are refused when they are read.
    bits : int or None
        How many of them are used; None: the file doesn't say (16-bit only).
    z_um : tuple of float, or None
        Position of each plane in the order that they are stored in; None: the file doesn't say.
    pixel_um : float or None
        Size of a pixel in the specimen.
    objective : Objective
        Numerical aperture and magnification, where known.
    open : callable
        Gives a context manager that holds the file open, and a `PlaneReader`.
    """

    name: str
    where: str
    format: str
    planes: int
    height_px: int
    width_px: int
    channels: tuple[str, ...]
    depth: int
    bits: int | None
    z_um: tuple[float, ...] | None
    pixel_um: float | None
    objective: Objective
    open: Callable[[], AbstractContextManager[PlaneReader]]


def channel_names(count: int, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The file's own names if it names all channels; else what grey and RGB are called."""
    if len(named) == count and all(named):
        return named
    usual = {1: ("grey",), 2: ("grey", "alpha"), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
    return usual.get(count, tuple(f"channel {i + 1}" for i in range(count)))
