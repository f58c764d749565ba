"""The project's own stacks: OME-TIFF that any viewer opens, and that comes back exactly as it was written."""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import tifffile

from tsva.acquisition.stack import Stack, regular_step_um
from tsva.errors import UserError
from tsva.readers.tiff import ome_images, open_tiff, reading

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Items as they come, each made by a thread of its own while the caller is busy with the one before.

    Codecs and files let other threads run, so that two cores, or one and a slow disk, work at the same time.
    One item waits at most, so that memory holds one more. What making an item raises is raised in its place.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = thread.submit(_next, source)
        while got := coming.result():
            coming = thread.submit(_next, source)
            yield got[0]


def _next(source: Iterator[Item]) -> tuple[Item, ...]:
    """The next item alone, or nothing at the end (which a future can't raise as iterators do)."""
    return tuple(islice(source, 1))


UM_PER_CM = 10_000.0
NAMELESS = str(uuid.UUID(int=0))
"""The same stack gives the same file, so its name follows from its pixels, which are known once all are written."""


def write_stack(path: Path, stack: Stack) -> None:
    """Write a stack as OME-TIFF: see `write_planes`."""
    write_planes(path, iter(stack.planes), stack.z_um, stack.pixel_um)


def write_planes(path: Path, planes: Iterator[np.ndarray], z_um: np.ndarray, pixel_um: float) -> tuple[int, int, int]:
    """Write planes as OME-TIFF, one by one, so that memory holds two of them: the next is made while one is written.

    Pixels are not compressed: camera noise leaves Deflate little to gain (to 57 % of the size, at a third of the
    writing speed), and plain pixels are mapped into memory and read by any program.

    Parameters
    ----------
    path : Path
        Ends in .ome.tif; its folder exists.
    planes : iterator of (Y, X, C) uint8 arrays
        As many as `z_um`, all of one shape; C is 1 or 3.
    z_um : (Z,) float array
        Written as PositionZ of every plane, and as PhysicalSizeZ if the step is regular.
    pixel_um : float
        Written as PhysicalSizeX and Y, and as TIFF's resolution.

    Returns
    -------
    (int, int, int)
        Shape of a plane.

    Raises
    ------
    ValueError
        If there are fewer planes than positions, or more.
    """
    first = next(planes)
    shape, sums = first.shape, [0] * len(z_um)

    def stored() -> Iterator[np.ndarray]:
        for number, plane in zip(range(len(sums)), chain([first], planes), strict=True):
            pixels = np.ascontiguousarray(plane[..., 0] if shape[2] == 1 else plane)
            sums[number] = zlib.crc32(pixels.data)
            yield pixels

    tifffile.imwrite(
        path,
        read_ahead(stored()),
        shape=(len(z_um), *shape[:2], *shape[2:] * (shape[2] > 1)),
        dtype=np.uint8,
        photometric="minisblack" if shape[2] == 1 else "rgb",
        ome=True,
        metadata=_said(shape, z_um, pixel_um),
        resolution=(UM_PER_CM / pixel_um, UM_PER_CM / pixel_um),
        resolutionunit="CENTIMETER",
    )
    if next(planes, None) is not None:
        raise ValueError(f"more than {len(z_um)} planes")
    content = repr(((len(z_um), *shape), z_um.tolist(), pixel_um, sums)).encode()
    _name(path, str(uuid.UUID(bytes=hashlib.blake2b(content, digest_size=16).digest())))
    return shape


def _said(shape: tuple[int, ...], z_um: np.ndarray, pixel_um: float) -> dict[str, object]:
    metadata: dict[str, object] = {
        "axes": "ZYX" if shape[2] == 1 else "ZYXS",
        "PhysicalSizeX": float(pixel_um),
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": float(pixel_um),
        "PhysicalSizeYUnit": "µm",
        "Plane": {"PositionZ": z_um.tolist(), "PositionZUnit": ["µm"] * len(z_um)},
        "UUID": NAMELESS,
    }
    step_um = regular_step_um(z_um)
    return metadata if step_um is None else metadata | {"PhysicalSizeZ": step_um, "PhysicalSizeZUnit": "µm"}


def _name(path: Path, name: str) -> None:
    """Put a stack's name, which follows from all pixels, in the place that was left for it in the header."""
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages.first.tags["ImageDescription"]
    with path.open("r+b") as file:
        file.seek(tag.valueoffset)
        header = file.read(tag.count)
        file.seek(tag.valueoffset)
        file.write(header.replace(NAMELESS.encode(), name.encode()))


def read_stack(path: Path) -> Stack:
    """Read a stack that `write_stack` wrote.

    Parameters
    ----------
    path : Path
        An OME-TIFF file.

    Returns
    -------
    Stack
        Its planes are mapped from the file, read-only: what is not looked at is not read.

    Raises
    ------
    UserError
        If the file is missing, damaged, or not of this kind.
    """
    with open_tiff(path) as tif:
        images = ome_images(tif, str(path))
        image, series = images[0] if images else None, tif.series[0]
        if image is None or image.position_z_um is None or image.pixel_um is None or series.dataoffset is None:
            raise UserError(
                str(path),
                got="a file that this program did not write",
                wanted="a stack of the ingest stage",
                do="Delete it, so that its stage runs again.",
            )
        key = series.keyframe
        shape = (image.planes, key.imagelength, key.imagewidth, key.samplesperpixel)
        with reading(str(path)):
            planes = np.asarray(np.memmap(path, np.uint8, "r", series.dataoffset, shape))
            return Stack(planes, np.array(image.position_z_um), image.pixel_um)
