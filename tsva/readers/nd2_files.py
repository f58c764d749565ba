"""Nikon ND2, by nd2 (BSD-3; the extra `nd2`): grey z-stacks, one for each position of the stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tsva.errors import UserError
from tsva.readers.guards import needed, reading_by_library
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.readers.registry import stem_of
from tsva.readers.scale import Heights, PixelSizeEntry, heights, pixel_size
from tsva.readers.stored import MOST_FOCAL_PLANES, Objective, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import check_decoded

FRAME_AXES = "CSYX"
TOP_DOWN = -1


def nd2_images(path: Path) -> list[StoredImage]:
    """Images of an ND2 file.

    Raises
    ------
    UserError
        If nd2 is not installed, the file is damaged or compressed, or holds colours, channels or points of time.
        Colours are refused, as libraries disagree on their order in the file, and none could be had to try it on.
    """
    where = str(path)
    with _open_file(path) as file, reading_by_library(where):
        attributes, channel = file.attributes, file.metadata.channels[0]
        sizes = {"P": 1, "Z": 1, **{axis: int(size) for axis, size in file.sizes.items()}}
        others = {axis: size for axis, size in sizes.items() if axis not in "PZYX"}
        planes, height, width = sizes["Z"], int(attributes.heightPx), int(attributes.widthPx)
        depth = int(attributes.bitsPerComponentInMemory)
        if min(sizes.values()) < 1 or not 0 < planes * sizes["P"] <= MOST_FOCAL_PLANES:
            raise ValueError(f"axes of sizes {sizes}")
        is_plain = attributes.compressionType is None or attributes.compressionType == "none"
        if is_plain and planes * sizes["P"] * height * width * depth // 8 > path.stat().st_size:
            raise ValueError(f"{planes * sizes['P']} frames of {height}×{width} pixels are more than it holds")
        place = _heights(where, file, planes)
        calibrated = channel.volume.axesCalibrated
        um = [
            float(size) if known else None
            for size, known in zip(channel.volume.axesCalibration, calibrated, strict=True)
        ]
        lens = channel.microscope
        objective = Objective(lens.objectiveNumericalAperture, lens.objectiveMagnification)
        bits = int(attributes.bitsPerComponentSignificant)
    if others or not is_plain:
        got = ", ".join(f"axis {axis} of {size}" for axis, size in others.items())
        raise UserError(
            where,
            got=f"an ND2 file with {got or f'{attributes.compressionType} compression'}",
            wanted="grey planes along z alone, not compressed",
            do="Export it as OME-TIFF (NIS-Elements, or bfconvert of Bio-Formats), and check its colours.",
        )
    check_decoded(height, width, where)
    return [
        StoredImage(
            name=f"{stem_of(path)}_{position}" if sizes["P"] > 1 else stem_of(path),
            where=where,
            format="ND2",
            planes=planes,
            height_px=height,
            width_px=width,
            channels=channel_names(1),
            depth=depth,
            bits=bits if bits < depth or depth == 8 else None,
            heights=place,
            pixel=pixel_size(where, [PixelSizeEntry("axes", um[0], um[1])], objective.magnification),
            objective=objective,
            open=lambda position=position: _open(path, position),  # type: ignore[misc]
        )
        for position in range(sizes["P"])
    ]


@contextmanager
def _open_file(path: Path) -> Iterator[Any]:
    library = needed("nd2", "nd2", str(path))
    with path.open("rb") as stream:
        with reading_by_library(str(path)):
            file = library.ND2File(stream)
        with file:
            yield file


def _heights(where: str, file: Any, planes: int) -> Heights:
    """By the step of the loop along z, from top to bottom or from bottom to top as it was run."""
    loop = next((one for one in file.experiment if one.type == "ZStackLoop"), None)
    if loop is None:
        return Heights()
    direction = 1 if loop.parameters.bottomToTop else TOP_DOWN
    return heights(where, planes, None, direction * abs(float(loop.parameters.stepUm)), source=("", "z loop"))


@contextmanager
def _open(path: Path, position: int) -> Iterator[PlaneReader]:
    with _open_file(path) as file:
        with reading_by_library(str(path)):
            loops = {axis: int(size) for axis, size in file.sizes.items() if axis not in FRAME_AXES}
        yield Nd2Reader(str(path), file, loops, position)


class Nd2Reader:
    """A `PlaneReader` of one position in an open file; `loops` are the axes that frames count, the fastest one last."""

    def __init__(self, where: str, file: Any, loops: dict[str, int], position: int) -> None:
        self._where, self._file, self._loops, self._position = where, file, loops, position

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1) uint8 or uint16 pixels."""
        if level:
            raise ValueError("one level")
        axes, place = list(self._loops), {"Z": plane, "P": self._position}
        frame = sum(place[axis] * prod(self._loops[one] for one in axes[i + 1 :]) for i, axis in enumerate(axes))
        with reading_by_library(self._where):
            pixels = np.array(self._file.read_frame(frame))
        if not pixels.any():
            # the library gives black for a frame that is not there
            raise unreadable(self._where, f"frame {frame + 1} is missing")
        return as_grey_or_rgb(pixels[top : top + height, left : left + width], self._where, BOTH_DEPTHS)
