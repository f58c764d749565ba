"""Small stacks as microscopes and people write them: what is in them is known, how they say it varies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

PLANES, SHARP = 9, 5
STEP_UM, PIXEL_UM = 0.5, 0.345


def stack(channels: int = 1, planes: int = PLANES) -> np.ndarray:
    """(Z, Y, X, C) uint8: blobs, sharp in plane `SHARP`, each channel of a brightness of its own."""
    rng = np.random.default_rng(3)
    sharp = gaussian_filter(rng.normal(size=(48, 56, channels)), (1.0, 1.0, 0)) * 90
    sharp += np.array([200, 150, 100, 60])[:channels]
    blurred = [gaussian_filter(sharp, (0.6 * abs(z - SHARP), 0.6 * abs(z - SHARP), 0)) for z in range(planes)]
    return np.clip(np.stack(blurred) + rng.normal(size=(planes, 48, 56, channels)), 0, 255).astype(np.uint8)


def write_ome(
    path: Path, pixels: np.ndarray, attributes: str = "", inner: str = "", channels: tuple[str, ...] = ("",)
) -> Path:
    """Write grey pages with an OME header of these attributes and elements.

    `pixels` is (Z, Y, X), or (C, Z, Y, X) with as many `channels` (names, or elements) as C.
    """
    pages = pixels.reshape(-1, *pixels.shape[-2:])
    size_z = len(pages) // len(channels)
    told = "".join(
        name
        if name.startswith("<")
        else f'<Channel ID="Channel:0:{i}" SamplesPerPixel="1"' + (f' Name="{name}"' if name else "") + "/>"
        for i, name in enumerate(channels)
    )
    kind = "uint16" if pixels.dtype == np.uint16 else "uint8"
    header = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{kind}" SizeX="{pages.shape[2]}"'
        f' SizeY="{pages.shape[1]}" SizeZ="{size_z}" SizeC="{len(channels)}" SizeT="1" {attributes}>{told}'
        f"{inner if '<TiffData' in inner else '<TiffData/>' + inner}</Pixels></Image></OME>"
    )
    _write(path, pages, header)
    return path


def write_imagej(path: Path, pixels: np.ndarray, resolution: float, tag_unit: int = 1, **told: object) -> Path:
    """Write (Z, Y, X) pixels as ImageJ does, `told` being lines of its description."""
    lines = {"images": len(pixels), "slices": len(pixels), "hyperstack": "true", "mode": "grayscale", **told}
    description = "ImageJ=1.53t\n" + "".join(f"{key}={value}\n" for key, value in lines.items())
    _write(path, pixels, description, resolution=(resolution, resolution), resolutionunit=tag_unit)
    return path


def _write(path: Path, pages: np.ndarray, description: str, **more: object) -> None:
    with tifffile.TiffWriter(path) as tif:
        for number, page in enumerate(pages):
            tif.write(
                page,
                photometric="minisblack",
                contiguous=False,
                metadata=None,
                description=description.encode() if number == 0 else None,
                **more,
            )
