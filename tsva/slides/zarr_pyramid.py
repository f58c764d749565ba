"""A pyramid as OME-Zarr 0.4 (Zarr format 2), which napari, QuPath and Bio-Formats read: lossless, one chunk a tile."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Zstd

from tsva.slides.pyramid_file import NOTICE, SlideFacts
from tsva.slides.stored_tiles import TILE_PX, Shape, TileCodec, tile_grid

ZSTD_LEVEL = 5
COLOURS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
GREY = (("grey", "FFFFFF"),)


def is_zarr(out: Path) -> bool:
    """Whether an output's name asks for OME-Zarr."""
    return out.name.endswith(".ome.zarr")


def write_zarr(
    folder: Path,
    shapes: list[Shape],
    codec: TileCodec,
    tile: Callable[[int, int, int], bytes],
    facts: SlideFacts,
) -> None:
    """Write a pyramid of tiles that are encoded already.

    Parameters
    ----------
    folder : Path
    shapes : list of (int, int)
        Height and width of each level.
    codec : TileCodec
        What the tiles were encoded by.
    tile : callable
        ``tile(level, row, column)`` gives the bytes of a tile.
    facts : SlideFacts
        The profile of colours has no place in OME-Zarr, and is left out.
    """
    group = zarr.open_group(folder, mode="a", zarr_format=2)  # "w" would take the lock of the folder away
    for level, (height, width) in enumerate(shapes):
        array = group.create_array(
            str(level),
            shape=(codec.channels, height, width),
            chunks=(codec.channels, TILE_PX, TILE_PX),
            dtype="uint8",
            compressors=Zstd(level=ZSTD_LEVEL),
            fill_value=0,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        rows, columns = tile_grid((height, width))
        for row in range(rows):
            for column in range(columns):
                y, x = row * TILE_PX, column * TILE_PX
                pixels = codec.decode(tile(level, row, column))[: height - y, : width - x]
                array[:, y : y + TILE_PX, x : x + TILE_PX] = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    group.attrs.update(_attributes(shapes, codec.channels, facts))


def smallest_zarr_level(folder: Path, most_px: int) -> np.ndarray:
    """(Y, X, C) pixels of the finest level of `write_zarr`'s that is no larger; of the coarsest if all are."""
    group = zarr.open_group(folder, mode="r")
    levels = [array for _, array in sorted(group.arrays(), key=lambda named: int(named[0]))]
    small = next((array for array in levels if max(array.shape[1:]) <= most_px), levels[-1])
    return np.asarray(small[:]).transpose(1, 2, 0)


def _attributes(shapes: list[Shape], channels: int, facts: SlideFacts) -> dict[str, Any]:
    """Metadata by the specification of OME-Zarr 0.4, and how the slide was made."""
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = []
    for level, (height, width) in enumerate(shapes):
        scale = [1.0, facts.pixel_um * shapes[0][0] / height, facts.pixel_um * shapes[0][1] / width]
        # halved pixels lie between those that they are means of
        start = [0.0, *((edge - facts.pixel_um) / 2 for edge in scale[1:])]
        transformations = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": start}]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    window = {"start": 0, "end": 255, "min": 0, "max": 255}
    names = COLOURS if channels == 3 else GREY
    return {
        "multiscales": [
            {
                "version": "0.4",
                "name": "in-focus slide",
                "axes": [{"name": "c", "type": "channel"}, *space],
                "datasets": datasets,
                "type": "mean",
            }
        ],
        "omero": {
            "channels": [
                {"label": label, "color": colour, "active": True, "window": window} for label, colour in names
            ],
            "rdefs": {"model": "color" if channels == 3 else "greyscale"},
        },
        "tsva": {
            **facts.provenance,
            "software": f"tsva {version('tsva')}",
            "magnification": facts.magnification,
            "notice": NOTICE,
        },
    }
