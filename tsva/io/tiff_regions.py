"""Regions of a TIFF image: only the strips or tiles that a region touches are read and decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tifffile import TiffFile, TiffPage

from tsva.errors import UserError
from tsva.io.regions import Level
from tsva.io.tiff import as_shown, check_decoded, check_page, ome_images, pixel_um_of_page, reading


class TiffRegions:
    """A `RegionReader` of the first image of a TIFF file, with its pyramid if it has one.

    Parameters
    ----------
    path : Path
        The file.
    tif : TiffFile
        Opened by `open_tiff`, and closed by the caller.

    Raises
    ------
    UserError
        If the image has several planes, or pixels of an unsupported kind.
    """

    def __init__(self, path: Path, tif: TiffFile) -> None:
        self.where, self._path = str(path), path
        series = tif.series[0]
        if len(series.pages) > 1:
            raise UserError(
                self.where, got=f"{len(series.pages)} planes", wanted="a single sharp plane",
                do="Give it the source `stack` if it is a z-stack, or save one plane of it.",
            )  # fmt: skip
        self._pages = [level.keyframe for level in series.levels]
        for page in self._pages:
            check_page(page, self.where)
            if not page.is_memmappable:
                check_decoded(*_segment_shape(page), self.where)
        finest = self._pages[0]
        with reading(self.where):
            self.levels = [
                Level(page.imagelength, page.imagewidth, finest.imagewidth / page.imagewidth) for page in self._pages
            ]
        images = ome_images(tif, self.where)
        self.pixel_um = images[0].pixel_um if images else pixel_um_of_page(finest)

    def read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 1 or 3) uint8 pixels."""
        page = self._pages[level]
        with reading(self.where):
            if page.is_memmappable:
                pixels = _mapped(self._path, page)[top : top + height, left : left + width]
            else:
                pixels = _decoded(page, top, left, height, width)
            return as_shown(pixels, page, self.where)


def _mapped(path: Path, page: TiffPage) -> np.ndarray:
    stored = np.asarray(np.memmap(path, np.uint8, "r", page.dataoffsets[0], page.shape))
    return np.moveaxis(stored, page.axes.index("S"), -1) if "S" in page.axes else stored[..., None]


def _decoded(page: TiffPage, top: int, left: int, height: int, width: int) -> np.ndarray:
    out = np.zeros((height, width, page.samplesperpixel), np.uint8)
    file = page.parent.filehandle
    for index in _segments(page, top, left, height, width):
        file.seek(page.dataoffsets[index])
        data = file.read(page.databytecounts[index])
        segment, (sample, _, y, x, _), (_, rows, columns, _) = page.decode(data, index, jpegtables=page.jpegtables)
        if segment is None:
            raise ValueError(f"segment {index} is empty")
        first_row, last_row = max(y, top), min(y + rows, top + height)
        first_column, last_column = max(x, left), min(x + columns, left + width)
        samples = slice(sample, sample + segment.shape[3])
        out[first_row - top : last_row - top, first_column - left : last_column - left, samples] = segment[
            0, first_row - y : last_row - y, first_column - x : last_column - x
        ]
    return out


def _segments(page: TiffPage, top: int, left: int, height: int, width: int) -> list[int]:
    """Numbers of the strips or tiles that a region touches; planar images have one set of them a channel."""
    tall, wide = _segment_shape(page)
    across, down = -(-page.imagewidth // wide), -(-page.imagelength // tall)
    sets = len(page.dataoffsets) // (across * down)
    return [
        channel * across * down + row * across + column
        for channel in range(sets)
        for row in range(top // tall, -(-(top + height) // tall))
        for column in range(left // wide, -(-(left + width) // wide))
    ]


def _segment_shape(page: TiffPage) -> tuple[int, int]:
    """Height and width of a strip or tile."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    # a single strip may claim to have any number of rows
    return min(page.rowsperstrip, page.imagelength), page.imagewidth
